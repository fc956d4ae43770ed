package graft.convert.cli;

import graft.convert.plan.Progress;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * Progress as text: a bar that rewrites its line on a terminal, elsewhere a plain line when a phase
 * begins and every ten seconds. {@code HF_HUB_DISABLE_PROGRESS_BARS} turns the bar off. Safe from
 * any thread.
 */
final class ProgressPrinter implements Progress {
    private static final long BAR_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long LINE_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final int BAR_CELLS = 20;

    private final PrintWriter err;
    private final boolean bar;
    private String name = "";
    private long total;
    private long done;
    private long nextPrint;
    private boolean open;

    private ProgressPrinter(PrintWriter err, boolean bar) {
        this.err = err;
        this.bar = bar;
    }

    static ProgressPrinter onStandardError(PrintWriter err) {
        boolean terminal = System.console() != null && System.console().isTerminal();
        String disabled = System.getenv("HF_HUB_DISABLE_PROGRESS_BARS");
        boolean off = disabled != null && !disabled.isEmpty() && !disabled.equals("0");
        return new ProgressPrinter(err, terminal && !off);
    }

    @Override
    public synchronized void phase(String name, long total) {
        finishLine();
        this.name = name;
        this.total = total;
        this.done = 0;
        this.nextPrint = System.nanoTime() + (bar ? BAR_NANOS : LINE_NANOS);
        if (!bar) {
            err.println(name);
            err.flush();
        }
    }

    @Override
    public synchronized void advance(long amount) {
        done += amount;
        long now = System.nanoTime();
        if (now < nextPrint && done < total) {
            return;
        }
        if (bar) {
            nextPrint = now + BAR_NANOS;
            err.print("\r" + line());
            err.flush();
            open = true;
            if (done >= total) {
                finishLine();
            }
        } else if (now >= nextPrint) {
            nextPrint = now + LINE_NANOS;
            err.printf(Locale.ROOT, "%s %d%%%n", name, percent());
            err.flush();
        }
    }

    private void finishLine() {
        if (open) {
            err.println();
            err.flush();
            open = false;
        }
    }

    private String line() {
        int cells = (int) (BAR_CELLS * percent() / 100);
        String filled = "█".repeat(cells) + " ".repeat(BAR_CELLS - cells);
        return "%-32s %3d%% ▕%s▏".formatted(name, percent(), filled);
    }

    private long percent() {
        return total <= 0 ? 100 : Math.min(100, 100 * done / total);
    }
}
