package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.lowrank.CutFigures;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What people are told of an adapter that was written. */
final class AdapterSummary {
    private static final int MOST_NAMES = 5;

    private AdapterSummary() {}

    /**
     * @param modules records of the modules alone
     */
    static String of(Ledger ledger, List<TensorRecord> modules) {
        int[] ranks =
                modules.stream()
                        .mapToInt(record -> (int) record.figure("rank"))
                        .filter(rank -> rank > 0)
                        .sorted()
                        .toArray();
        TensorRecord worst =
                modules.stream()
                        .max(Comparator.comparingDouble(record -> record.figure("relativeError")))
                        .orElseThrow();
        List<String> dropped =
                modules.stream()
                        .filter(record -> record.treatment().equals(CutFigures.DROPPED))
                        .map(TensorRecord::name)
                        .toList();
        var text = new StringBuilder();
        text.append(
                String.format(
                        Locale.ROOT,
                        """
                        %d of %d modules · ranks %d to %d · factors %s → %s, file %s
                        relative error %.4g (rounding alone %.2g), worst %.4g in %s\
                        """,
                        modules.size() - dropped.size(),
                        modules.size(),
                        ranks[0],
                        ranks[ranks.length - 1],
                        Sizes.decimal((long) ledger.total("bytesIn")),
                        Sizes.decimal((long) ledger.total("bytesOut")),
                        Sizes.decimal((long) ledger.total("fileBytes")),
                        ledger.total("relativeError"),
                        ledger.total("roundingError"),
                        worst.figure("relativeError"),
                        worst.name()));
        if (!dropped.isEmpty()) {
            text.append("\ndropped (rank 0): ").append(list(dropped));
        }
        long byQr = (long) ledger.total("modulesByQr");
        if (byQr > 0) {
            text.append(
                    "\n%d modules factored by QR: too close to singular for Gram matrices"
                            .formatted(byQr));
        }
        ledger.warnings().forEach(warning -> text.append("\nwarning: ").append(warning));
        return text.toString();
    }

    static String list(List<String> names) {
        String shown = String.join(", ", names.subList(0, Math.min(MOST_NAMES, names.size())));
        return names.size() <= MOST_NAMES
                ? shown
                : "%s and %d more".formatted(shown, names.size() - MOST_NAMES);
    }

    /** A line per adapter, and the sum. */
    static String ofMany(Ledger ledger) {
        var text = new StringBuilder();
        for (Map<String, Object> row : ledger.results()) {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "%s: %s modules, %s → %s, relative error %.4g\n",
                            row.get("folder"),
                            row.get("modules"),
                            Sizes.decimal(Figures.of(row, "bytesIn").longValue()),
                            Sizes.decimal(Figures.of(row, "fileBytes").longValue()),
                            Figures.of(row, "relativeError").doubleValue()));
        }
        text.append(
                String.format(
                        Locale.ROOT,
                        "%d adapters · factors %s → files %s · relative error %.4g",
                        (long) ledger.total("adapters"),
                        Sizes.decimal((long) ledger.total("bytesIn")),
                        Sizes.decimal((long) ledger.total("fileBytes")),
                        ledger.total("relativeError")));
        return text.toString();
    }
}
