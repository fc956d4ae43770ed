package graft.convert.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Sizes and errors of many settings as a table. */
final class ForecastTable {
    private ForecastTable() {}

    /** The settings, if there are fine-tunes, and a line per adapter. */
    static String of(List<Map<String, Object>> rows) {
        List<Map<String, Object>> settings =
                rows.stream().filter(row -> row.containsKey("setting")).toList();
        List<String> lines = new ArrayList<>();
        if (!settings.isEmpty()) {
            lines.add(table(settings));
        }
        rows.stream()
                .filter(row -> !row.containsKey("setting"))
                .forEach(row -> lines.add(ConvertSummary.line(row)));
        return String.join("\n", lines);
    }

    private static String table(List<Map<String, Object>> rows) {
        var text =
                new StringBuilder(
                        "%-28s %12s %10s %10s %10s%n"
                                .formatted("setting", "per task", "smaller", "kept", "error"));
        for (Map<String, Object> row : rows) {
            String setting = String.valueOf(row.get("setting"));
            text.append(
                    String.format(
                            Locale.ROOT,
                            "%-28s %12s %9.1f× %9.3f%% %10.3f%n",
                            setting.startsWith("as asked") ? "as asked" : setting,
                            Sizes.decimal(
                                    Math.round(Figures.of(row, "bytesPerTask").doubleValue())),
                            Figures.of(row, "smaller").doubleValue(),
                            100 * Figures.of(row, "kept").doubleValue(),
                            Figures.of(row, "relativeError").doubleValue()));
        }
        text.append("error: expected ‖û − u‖/‖u‖; dithered values keep the length along u in full");
        return text.toString();
    }
}
