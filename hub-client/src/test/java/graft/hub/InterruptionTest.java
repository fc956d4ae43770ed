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
        var failure = new AtomicReference<Throwable>();
        Thread download = download(failure);
        download.interrupt();
        download.join();
        assertThat(failure.get()).isInstanceOf(InterruptedIOException.class);
        assertNothingGoesOn();
    }

    @Test
    void closingEndsReadsOfASilentServer() throws Exception {
        var failure = new AtomicReference<Throwable>();
        Thread download = download(failure);
        client.close();
        download.join();
        assertThat(failure.get()).isInstanceOf(InterruptedIOException.class);
        assertNothingGoesOn();
    }

    /** Begins to download, and waits until the CDN was asked and is silent. */
    private Thread download(AtomicReference<Throwable> failure) throws Exception {
        Snapshot snapshot = site.snapshot(client);
        Fault silence = site.hub.inject(Fault.stall(LONG.toMillis()).on(CDN));
        Thread download =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                client.download(DownloadRequest.of(snapshot, FileFilter.ALL));
                            } catch (Throwable e) {
                                failure.set(e);
                            }
                        });
        while (silence.struck() == 0) {
            Thread.sleep(10);
        }
        return download;
    }

    private static void assertNothingGoesOn() {
        assertThat(Thread.getAllStackTraces().keySet())
                .filteredOn(thread -> thread.getName().equals("hub"))
                .isEmpty(); // test classes of this module run one after another
    }
}
