package graft.hub.http;

import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** Time and chance, so that tests need neither wait nor hope. */
public interface Pacer {
    /** The real clock. */
    Pacer SYSTEM =
            new Pacer() {
                @Override
                public long nanoTime() {
                    return System.nanoTime();
                }

                @Override
                public void sleep(Duration duration) throws InterruptedIOException {
                    try {
                        Thread.sleep(duration);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                        throw new InterruptedIOException("interrupted while waiting to try again");
                    }
                }

                @Override
                public double random() {
                    return ThreadLocalRandom.current().nextDouble();
                }
            };

    /** As {@link System#nanoTime}. */
    long nanoTime();

    /** Waits; interruption ends it. */
    void sleep(Duration duration) throws InterruptedIOException;

    /** Uniform in [0, 1). */
    double random();
}
