package graft.formats.archive;

/** A block does not decode; whoever knows the file turns this into an error with a place. */
final class CorruptBlockException extends Exception {
    private static final long serialVersionUID = 1;

    private final String problem;

    CorruptBlockException(String problem) {
        super(problem);
        this.problem = problem;
    }

    String problem() {
        return problem;
    }
}
