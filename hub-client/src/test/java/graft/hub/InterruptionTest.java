package graft.hub;

import static graft.hub.testing.Call.Origin.CDN;

import static org.assertj.core.api.Assertions.assertThat;

import graft.hub.testing.Fault;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/** A caller that gives up while the server is silent: long before any timeout, nothing goes on. */
@Timeout(30)
class InterruptionTest {
    private static final Duration LONG = Duration.ofMinutes(5);

    @TempDir Path folder;
    private HubSite site;
    private HubClient client;

    @BeforeEach
    void start() throws IOException {
        site = new HubSite(folder);
        site.hub.create("acme/tiny").commit("add", Map.of("model.bin", HubSite.bytes(950_000)));
        client = site.client(options -> options.withTimeouts(LONG, LONG, LONG));
    }

    @AfterEach
    void stop() {
        client.close();
        site.close();
    }

    @Test
    void interruptingEndsReadsOfASilentServer() throws Exception {
        assertEndedBy(Thread::interrupt);
    }

    @Test
    void closingEndsReadsOfASilentServer() throws Exception {
        assertEndedBy(_ -> client.close());
    }

    /** Begins to download, and gives up when the CDN was asked and is silent. */
    private void assertEndedBy(Consumer<Thread> givingUp) throws Exception {
        Snapshot snapshot = site.snapshot(client);
        Fault silence = site.hub.inject(Fault.stall(LONG.toMillis()).on(CDN));
        var failure = new AtomicReference<Throwable>();
        Thread download = HubSite.begin(client, snapshot, failure);
        while (silence.struck() == 0) {
            Thread.sleep(10);
        }
        givingUp.accept(download);
        download.join();
        assertThat(failure.get()).isInstanceOf(InterruptedIOException.class);
        assertNothingGoesOn();
    }

    private static void assertNothingGoesOn() {
        assertThat(Thread.getAllStackTraces().keySet())
                .filteredOn(thread -> thread.getName().equals("hub"))
                .isEmpty(); // test classes of this module run one after another
    }
}
