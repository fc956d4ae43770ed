package graft.convert.cli;

import graft.convert.ledger.Ledger;

import java.util.Locale;
import java.util.Map;

/** What a conversion did, a line per task. */
final class ConvertSummary {
    private ConvertSummary() {}

    static String of(Ledger ledger) {
        var text = new StringBuilder();
        for (Map<String, Object> row : ledger.results()) {
            String error =
                    row.get("relativeError") instanceof Number lost
                            ? String.format(Locale.ROOT, "relative error %.3f", lost.doubleValue())
                            : "";
            text.append(
                    String.format(
                            Locale.ROOT,
                            "%-24s %-8s %10s of %s  %s%n",
                            row.get("task"),
                            row.get("kind"),
                            Sizes.decimal(Figures.of(row, "bytes").longValue()),
                            Sizes.decimal(Figures.of(row, "bytesIn").longValue()),
                            error));
        }
        text.append(
                "%d tasks, %s beside the merged model"
                        .formatted(
                                ledger.results().size(),
                                Sizes.decimal((long) ledger.total("bytesOut"))));
        return text.toString();
    }
}
