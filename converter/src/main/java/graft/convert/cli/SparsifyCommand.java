package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.sparsify.SparsifyModel;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.SparsifyRequest;

import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.util.Arrays;
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
            "  graft sparsify my-model --base merged --preset paper --density 0.1 -o delta",
            "  graft sparsify my-model --base merged --density 0.1 --layout sparse-bitmask -o residual"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class SparsifyCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin KinshipOptions kinship = new KinshipOptions();

    @Parameters(paramLabel = "FINETUNE", description = "Checkpoint file or folder.")
    String fineTune;

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "Checkpoint that the delta builds on: the base, or a merged model.")
    String base;

    @Mixin SparsifyOptionGroup sparsify = new SparsifyOptionGroup();

    @Option(
            names = "--layout",
            paramLabel = "delta|sparse-bitmask",
            converter = LayoutWord.class,
            description =
                    "delta (default), which Graft reads; or the residual as compressed-tensors lays out"
                            + " sparse matrices.")
    SparsifyRequest.Layout layout = SparsifyRequest.Layout.delta;

    /** The words of {@link SparsifyRequest.Layout}. */
    static final class LayoutWord implements ITypeConverter<SparsifyRequest.Layout> {
        @Override
        public SparsifyRequest.Layout convert(String word) {
            return Arrays.stream(SparsifyRequest.Layout.values())
                    .filter(layout -> layout.word().equals(word))
                    .findFirst()
                    .orElseThrow(() ->
                            new UsageException(
                                    "--layout " + word, "--layout takes delta or sparse-bitmask"));
        }
    }

    @Option(names = "--dry-run", description = "Say what would be done; write nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        SparsifyOptions options = sparsify.options();
        if (layout != SparsifyRequest.Layout.delta && sparsify.size != null) {
            throw new UsageException(
                    "--size counts bytes of a delta, --layout %s takes more"
                            .formatted(layout.word()),
                    "use --density or --count, and --dry-run to see the bytes");
        }
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
                        layout,
                        write.output,
                        write.force,
                        kinship.allowUnrelated,
                        dryRun,
                        cores,
                        common.progress());
        Ledger ledger = new SparsifyModel().run(request);
        ledger.warnings().forEach(warning -> printer.note("warning: " + warning));
        printer.human(summary(ledger));
        write.announce(printer, dryRun);
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
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
