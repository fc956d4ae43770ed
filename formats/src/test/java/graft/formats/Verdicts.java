package graft.formats;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

import java.util.ArrayList;
import java.util.List;

/** Counts how the verdicts on a set of fixtures were met, for a line in the test report. */
public final class Verdicts {
    private final String set;
    private int accepted;
    private int refused;
    private final List<String> mismatches = new ArrayList<>();

    public Verdicts(String set) {
        this.set = set;
    }

    /** Runs the check of one fixture; its failure is counted and thrown on. */
    public void check(String name, boolean accept, ThrowingCallable check) {
        try {
            check.call();
        } catch (Throwable e) {
            mismatches.add(name);
            throw e instanceof Error error ? error : new AssertionError(name, e);
        }
        if (accept) {
            accepted++;
        } else {
            refused++;
        }
    }

    /** Prints the line. */
    public void print() {
        System.out.printf(
                "%-24s %4d cases, %4d accepted, %4d refused, mismatches = %d %s%n",
                set,
                accepted + refused + mismatches.size(),
                accepted,
                refused,
                mismatches.size(),
                mismatches.isEmpty() ? "" : mismatches);
    }
}
