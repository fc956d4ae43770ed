package graft.hub;

import java.io.IOException;

/**
 * The Hub, or what it sent, is not what was asked for. One subtype per remedy. Messages name
 * repository, file and request id; they never hold a token or a signed URL.
 */
public abstract sealed class HubException extends IOException {
    private static final long serialVersionUID = 1;

    private final String help;

    private HubException(String problem, String help) {
        super(problem);
        this.help = help;
    }

    /** What the user can do about it, one sentence. */
    public String help() {
        return help;
    }

    /** No such repository, revision or file; a private repository looks the same to a stranger. */
    public static final class NotFound extends HubException {
        private static final long serialVersionUID = 1;

        public NotFound(String problem, String help) {
            super(problem, help);
        }
    }

    /** The repository exists, but this token, or none, may not do that: gated, disabled, scope. */
    public static final class NotAllowed extends HubException {
        private static final long serialVersionUID = 1;

        public NotAllowed(String problem, String help) {
            super(problem, help);
        }
    }

    /** No answer, or errors until the retries or the deadline were used up; or offline. */
    public static final class Unreachable extends HubException {
        private static final long serialVersionUID = 1;

        public Unreachable(String problem, String help) {
            super(problem, help);
        }
    }

    /**
     * An answer breaks the protocol, or bytes have another hash than the Hub promised. Nothing of
     * it was left under a final name.
     */
    public static final class Corrupted extends HubException {
        private static final long serialVersionUID = 1;

        public Corrupted(String problem, String help) {
            super(problem, help);
        }
    }

    /** An upload was refused: the branch moved, or the Hub does not accept the commit. */
    public static final class Conflict extends HubException {
        private static final long serialVersionUID = 1;

        public Conflict(String problem, String help) {
            super(problem, help);
        }
    }
}
