package graft.hub;

/** Hears events from any thread, also at once; must return quickly and must not throw. */
@FunctionalInterface
public interface HubListener {
    /** Hears nothing. */
    HubListener NONE = event -> {};

    void on(HubEvent event);
}
