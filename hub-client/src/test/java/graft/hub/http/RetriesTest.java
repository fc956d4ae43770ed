package graft.hub.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.hub.HubException;
import graft.hub.HubListener;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.nio.file.FileSystemException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Patience, on a clock that runs only while somebody waits. */
class RetriesTest {
    private final List<Long> waits = new ArrayList<>();

    private final Pacer pacer =
            new Pacer() {
                private long now;

                @Override
                public long nanoTime() {
                    return now;
                }

                @Override
                public void sleep(Duration duration) {
                    waits.add(duration.toMillis());
                    now += duration.toNanos();
                }

                @Override
                public double random() {
                    return 0.999;
                }
            };

    private Retries retries(Duration deadline) {
        return new Retries("x", deadline, HubListener.NONE, pacer, new Texts(Optional.empty()));
    }

    @Test
    void fiveWaitsDoublingToEightSecondsThenTheEnd() throws IOException {
        Retries retries = retries(Duration.ofMinutes(5));
        for (int i = 0; i < 5; i++) {
            retries.after(new IOException("reset"));
        }
        assertThat(waits).containsExactly(999L, 1998L, 3996L, 7992L, 7992L);
        assertThatThrownBy(() -> retries.after(new IOException("reset")))
                .isInstanceOf(HubException.Unreachable.class)
                .hasMessage("x: the connection failed: reset (tried 6 times)");
    }

    @Test
    void bytesGiveThePatienceBackAndTheDeadlineTakesIt() throws IOException {
        Retries retries = retries(Duration.ofSeconds(5));
        for (int i = 0; i < 20; i++) {
            retries.after(new SocketTimeoutException());
            retries.progressed();
        }
        retries.after(new IOException());
        retries.after(new IOException());
        assertThatThrownBy(() -> retries.after(new IOException()))
                .as("0.999 + 1.998 + 3.996 s are more than 5 s")
                .isInstanceOf(HubException.Unreachable.class);
    }

    @Test
    void whatWaitingCannotMendIsNotTriedAgain() {
        Retries retries = retries(Duration.ofMinutes(5));
        for (IOException failure :
                List.of(
                        new HubException.Corrupted("c", "h"),
                        new FileSystemException("disk full"),
                        new InterruptedIOException("stop"))) {
            assertThatThrownBy(() -> retries.after(failure)).isSameAs(failure);
        }
        assertThat(waits).isEmpty();
    }
}
