package graft.convert.cli;

import graft.convert.ledger.Ledger;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The quickstart's results as a table. */
final class QuickstartTable {
    private QuickstartTable() {}

    static String of(Ledger ledger) {
        List<Map<String, Object>> rows = ledger.results();
        var text = new StringBuilder();
        List<String> tasks = tasks(rows.getFirst()).keySet().stream().toList();
        text.append("%-32s".formatted("right answers in ONNX Runtime"));
        tasks.forEach(task -> text.append(" %10s".formatted(task)));
        text.append("   ratio  worst  per task  smaller  reference\n");
        long whole = number(rows.getFirst(), "bytesPerTask").longValue();
        for (Map<String, Object> row : rows) {
            text.append("%-32s".formatted(row.get("setting")));
            for (String task : tasks) {
                Map<String, Object> score = score(row, task);
                String counts = score.get("correct") + "/" + score.get("rows");
                text.append(" %10s".formatted(counts));
            }
            long bytes = number(row, "bytesPerTask").longValue();
            text.append(
                    String.format(
                            Locale.ROOT,
                            "   %5.3f  %5.3f  %8s  %7s  %s%n",
                            number(row, "meanRatio").doubleValue(),
                            number(row, "worstRatio").doubleValue(),
                            Sizes.decimal(bytes),
                            isShared(row)
                                    ? "once"
                                    : String.format(Locale.ROOT, "%.1f×", (double) whole / bytes),
                            reference(row)));
        }
        long exact = (long) ledger.total("scoresExact");
        long near = (long) ledger.total("scoresNear");
        if (exact + near > 0) {
            text.append(
                    "%nreference: %d of %d scores equal the numpy reference's, %d are 1 or 2 rows off%n"
                            .formatted(exact, exact + near, near));
        }
        text.append(
                """
                ratio: accuracy over that of the whole fine-tune, or of the adapter as trained; mean and worst task
                per task: weight files as stored, headers and task head included; once: one model for all tasks\
                """);
        return text.toString();
    }

    private static boolean isShared(Map<String, Object> row) {
        return Boolean.TRUE.equals(row.get("sharedByAllTasks"));
    }

    private static String reference(Map<String, Object> row) {
        Object distance = row.get("rowsFromReference");
        return distance == null ? "-" : distance.equals(0) ? "equal" : "±" + distance;
    }

    private static Number number(Map<String, Object> row, String name) {
        return (Number) java.util.Objects.requireNonNull(row.get(name), name);
    }

    @SuppressWarnings("unchecked") // as QuickstartResults built it
    private static Map<String, Object> tasks(Map<String, Object> row) {
        return (Map<String, Object>) java.util.Objects.requireNonNull(row.get("tasks"));
    }

    @SuppressWarnings("unchecked") // as QuickstartResults built it
    private static Map<String, Object> score(Map<String, Object> row, String task) {
        return (Map<String, Object>) java.util.Objects.requireNonNull(tasks(row).get(task));
    }
}
