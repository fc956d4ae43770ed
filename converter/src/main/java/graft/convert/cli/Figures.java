package graft.convert.cli;

import java.util.Map;

/** Numbers in the result rows of a ledger. */
final class Figures {
    private Figures() {}

    /** The number called {@code name}, or 0. */
    static Number of(Map<String, Object> row, String name) {
        return row.get(name) instanceof Number number ? number : 0;
    }
}
