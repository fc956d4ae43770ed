package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.linalg.Kernels;
import graft.convert.reduce.RankRule;
import graft.convert.reduce.ReduceAdapter;
import graft.convert.reduce.ReduceRequest;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "reduce",
        description = "Lower the rank of a LoRA adapter by SVD.",
        footer = {
            "",
            "Examples:",
            "  graft reduce my-adapter --rank 8 -o small",
            "  graft reduce my-adapter --energy 0.95 -o small",
            "  graft reduce my-adapter --rank 4 --dry-run -o small"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ReduceCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();

    @Parameters(paramLabel = "ADAPTER", description = "Folder of a PEFT LoRA adapter.")
    String adapter;

    @ArgGroup(multiplicity = "1")
    Target target;

    @Option(
            names = "--kernel",
            paramLabel = "auto|openblas|ejml",
            description = "Linear algebra: native, pure Java, or whichever loads.")
    Kernels.Choice kernel = Kernels.Choice.auto;

    /** Exactly one of them. */
    static final class Target {
        @Option(names = "--rank", paramLabel = "N", description = "Rank of every module, at most.")
        @Nullable Integer rank;

        @Option(
                names = "--energy",
                paramLabel = "F",
                description =
                        "Share of each module's energy (sum of squared singular values) to keep.")
        @Nullable Double energy;

        RankRule rule() {
            try {
                return rank != null
                        ? new RankRule.Fixed(rank)
                        : new RankRule.Energy(energy == null ? 1 : energy);
            } catch (IllegalArgumentException e) {
                throw new UsageException(
                        "--" + e.getMessage(),
                        "--rank takes 1 or more, --energy a share such as 0.95");
            }
        }
    }

    @Option(names = "--dry-run", description = "Say what would be done; write nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        RankRule rule = target.rule();
        Path source = Refs.local(adapter);
        Ledger ledger =
                new ReduceAdapter()
                        .run(
                                new ReduceRequest(
                                        source,
                                        adapter,
                                        rule,
                                        write.output,
                                        write.force,
                                        dryRun,
                                        threads.checked(),
                                        kernel,
                                        common.progress()));
        printer.human(summary(ledger));
        if (dryRun) {
            OutputOptions.announceDryRun(printer);
        } else {
            write.announce(printer);
        }
        printer.document(LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    private static String summary(Ledger ledger) {
        long dropped = (long) ledger.total("modulesDropped");
        var worst =
                ledger.tensors().stream()
                        .max(
                                java.util.Comparator.comparingDouble(
                                        record -> record.figure("relativeError")))
                        .orElseThrow();
        int[] ranks =
                ledger.tensors().stream()
                        .mapToInt(record -> (int) record.figure("rank"))
                        .sorted()
                        .toArray();
        return String.format(
                Locale.ROOT,
                """
                %d of %d modules%s · ranks %d to %d · factors %s → %s
                relative error %.4f, worst %.4f in %s\
                """,
                ledger.tensors().size(),
                ledger.tensors().size(),
                dropped == 0 ? "" : ", %d of them zero and dropped".formatted(dropped),
                ranks[0],
                ranks[ranks.length - 1],
                Sizes.decimal(ledger.bytesIn()),
                Sizes.decimal(ledger.bytesOut()),
                ledger.total("relativeError"),
                worst.figure("relativeError"),
                worst.name());
    }
}
