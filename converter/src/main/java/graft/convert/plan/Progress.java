package graft.convert.plan;

/**
 * Hears how far a use case is. Implementations are safe from any thread and return at once: workers
 * call {@link #advance}.
 */
public interface Progress {
    /** Hears nothing. */
    Progress NONE =
            new Progress() {
                @Override
                public void phase(String name, long total) {}

                @Override
                public void advance(long amount) {}
            };

    /**
     * A phase of the work begins, the one before it is over.
     *
     * @param name a verb and its object, such as {@code reduce 18 modules}
     * @param total amount of work, in the unit of {@link #advance}: usually bytes read
     */
    void phase(String name, long total);

    /** {@code amount} more is done. */
    void advance(long amount);
}
