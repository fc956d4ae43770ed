package graft.convert.apply;

/** Where a merge rounds. */
public enum Rounding {
    /** Float32 all the way, once to the base's type at the end. */
    ONCE,
    /**
     * As peft 0.21.2's {@code merge_and_unload}: an embedding's and an expert's ΔW is rounded to
     * the base's type before it is added.
     */
    PEFT
}
