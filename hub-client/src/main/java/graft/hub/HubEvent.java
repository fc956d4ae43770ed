package graft.hub;

import java.time.Duration;

/** Something happened on the way; for progress bars and logs. Values, without secrets. */
public sealed interface HubEvent {
    /**
     * The work is known.
     *
     * @param files files that will move
     * @param bytes bytes of them that will move, without what an earlier run left
     */
    record Planned(int files, long bytes) implements HubEvent {}

    /**
     * A file begins.
     *
     * @param resumedBytes bytes that an earlier run left and that are not fetched again
     */
    record Started(String file, long bytes, long resumedBytes) implements HubEvent {}

    /** {@code bytes} more of a file have moved. */
    record Moved(String file, long bytes) implements HubEvent {}

    /** {@code bytes} that were counted by {@link Moved} or as resumed must move again. */
    record Restarted(String file, long bytes, String reason) implements HubEvent {}

    /** A file is complete, verified and under its final name. */
    record Finished(String file, long bytes) implements HubEvent {}

    /** A request failed and is tried again after {@code delay}. */
    record Retrying(String what, int attempt, Duration delay, String reason) implements HubEvent {}

    /** Worth telling once: a warning of the Hub, a cache that cannot be written. */
    record Warning(String text) implements HubEvent {}
}
