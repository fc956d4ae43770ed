package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.sparsify.SparsifyModel;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.SparsifyRequest;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "sparsify",
        description = "Store a fine-tune as a sparse delta on its base.",
        footer = {
            "",
            "Examples:",
            "  graft sparsify my-model --base base-model -o delta",
            "  graft sparsify my-model --base merged --density 0.01 -o delta",
            "  graft sparsify my-model --base merged --preset paper --density 0.1 -o delta"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class SparsifyCommand implements Callable<Integer> {
    /** Sets of options that belong together. */
    enum Preset {
        /** PERU-FFT as published: global, exact values, no gain. */
        paper,
        /** Signs with projection gain, by tensor. */
        compact
    }

    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();

    @Parameters(paramLabel = "FINETUNE", description = "Checkpoint file or folder.")
    String fineTune;

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "Checkpoint that the delta builds on: the base, or a merged model.")
    String base;

    @Option(
            names = "--preset",
            paramLabel = "compact|paper",
            description =
                    "compact (default): signs with projection gain, by tensor."
                            + " paper: PERU-FFT as published.")
    Preset preset = Preset.compact;

    @Option(
            names = "--density",
            paramLabel = "F",
            description = "Share of entries to keep, in (0, 1]; default 0.05.")
    double density = 0.05;

    @Option(
            names = "--scope",
            paramLabel = "global|tensor",
            description = "Choose the largest entries of the whole model or of each tensor.")
    SparsifyOptions.@Nullable Scope scope;

    @Option(
            names = "--values",
            paramLabel = "exact|sign",
            description = "Store the model's own values, or signs and one scale per tensor.")
    SparsifyOptions.@Nullable Values values;

    @Option(
            names = "--gain",
            paramLabel = "none|projection",
            description = "Whether signs give the residual its length back.")
    SparsifyOptions.@Nullable Gain gain;

    @Option(names = "--dry-run", description = "Say what would be done; write nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        SparsifyOptions options = options();
        int cores = threads.checked();
        if (dryRun && common.announcesDownload(write.output, List.of(fineTune), base)) {
            return ExitCodes.DONE;
        }
        var request =
                new SparsifyRequest(
                        common.path(fineTune),
                        common.name(fineTune),
                        common.path(base),
                        common.name(base),
                        options,
                        write.output,
                        write.force,
                        dryRun,
                        cores,
                        common.progress());
        Ledger ledger = new SparsifyModel().run(request);
        printer.human(summary(ledger));
        if (dryRun) {
            OutputOptions.announceDryRun(printer);
        } else {
            write.announce(printer);
        }
        printer.document(LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    private SparsifyOptions options() {
        try {
            SparsifyOptions chosen =
                    preset == Preset.paper
                            ? SparsifyOptions.paper(density)
                            : SparsifyOptions.compact(density);
            var newValues = values == null ? chosen.values() : values;
            boolean exact = newValues == SparsifyOptions.Values.exact;
            var newGain = exact ? SparsifyOptions.Gain.none : chosen.gain();
            return new SparsifyOptions(
                    density,
                    scope == null ? chosen.scope() : scope,
                    newValues,
                    gain == null ? newGain : gain);
        } catch (IllegalArgumentException e) {
            throw new UsageException(
                    "--" + e.getMessage(),
                    "--density takes a share such as 0.05; --gain projection goes with --values sign");
        }
    }

    private static String summary(Ledger ledger) {
        String error =
                ledger.totals().containsKey("relativeError")
                        ? String.format(
                                Locale.ROOT,
                                " · relative error %.4f",
                                ledger.total("relativeError"))
                        : "";
        long file =
                ledger.outputs().stream()
                        .filter(o -> o.path().endsWith(".safetensors"))
                        .mapToLong(Ledger.Output::bytes)
                        .sum();
        return String.format(
                Locale.ROOT,
                "%d tensors sparse, %d whole · %,d entries kept%s%n%s of tensors → %s%s",
                (long) ledger.total("tensors sparse"),
                ledger.totals().containsKey("tensors whole")
                        ? (long) ledger.total("tensors whole")
                        : 0,
                (long) ledger.total("nonZeros"),
                error,
                Sizes.decimal((long) ledger.total("bytesIn")),
                Sizes.decimal((long) ledger.total("bytesOut")),
                file > 0 ? " (file " + Sizes.decimal(file) + ")" : "");
    }
}
