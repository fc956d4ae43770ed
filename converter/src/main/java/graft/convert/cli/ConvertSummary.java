package graft.convert.cli;

import graft.convert.ledger.Ledger;

import java.util.Locale;
import java.util.Map;

/** What a conversion did, a line per task. */
final class ConvertSummary {
    private ConvertSummary() {}

    static String of(Ledger ledger) {
        var text = new StringBuilder();
        ledger.results().forEach(row -> text.append(line(row)).append('\n'));
        int tasks = ledger.results().size();
        boolean merged = ledger.results().stream().anyMatch(row -> "delta".equals(row.get("kind")));
        text.append(
                "%d task%s, %s%s"
                        .formatted(
                                tasks,
                                tasks == 1 ? "" : "s",
                                Sizes.decimal((long) ledger.total("bytesOut")),
                                merged ? " beside the merged model" : ""));
        return text.toString();
    }

    /** What became, or would become, of one task. */
    static String line(Map<String, Object> row) {
        String error =
                row.get("relativeError") instanceof Number lost
                        ? String.format(Locale.ROOT, "relative error %.3f", lost.doubleValue())
                        : "";
        return String.format(
                Locale.ROOT,
                "%-24s %-8s %10s of %s  %s",
                row.get("task"),
                row.get("kind"),
                Sizes.decimal(Figures.of(row, "bytes").longValue()),
                Sizes.decimal(Figures.of(row, "bytesIn").longValue()),
                error);
    }
}
