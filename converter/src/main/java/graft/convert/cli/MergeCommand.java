package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeRequest;
import graft.formats.tensor.DType;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "merge",
        description = "Merge fine-tunes of one base by task arithmetic.",
        footer = {"", "Example:", "  graft merge tune-a tune-b --base base-model -o merged"})
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class MergeCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin ShardOptions shards = new ShardOptions();

    @Parameters(
            arity = "1..*",
            paramLabel = "FINETUNE",
            description = "Checkpoint files or folders.")
    List<String> fineTunes;

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "What they started from.")
    String base;

    @Option(
            names = "--weight",
            paramLabel = "F",
            description = "Share of every task vector (λ); default 0.3.")
    double weight = MergeRequest.DEFAULT_WEIGHT;

    @Option(
            names = "--dtype",
            paramLabel = "float32|float16|bfloat16",
            description = "Type of the merged tensors; default the base's.")
    @Nullable Precision dtype;

    /** Types by the names that Hub users know. */
    enum Precision {
        float32(DType.F32),
        float16(DType.F16),
        bfloat16(DType.BF16);

        private final DType dtype;

        Precision(DType dtype) {
            this.dtype = dtype;
        }
    }

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        if (!Double.isFinite(weight)) {
            throw new UsageException("--weight " + weight, "--weight takes a number such as 0.3");
        }
        long maxShardBytes = shards.checked();
        List<MergeRequest.FineTune> models = new ArrayList<>();
        for (String fineTune : fineTunes) {
            models.add(new MergeRequest.FineTune(common.path(fineTune), common.name(fineTune)));
        }
        Ledger ledger =
                new MergeModels()
                        .run(
                                new MergeRequest(
                                        common.path(base),
                                        common.name(base),
                                        models,
                                        weight,
                                        Optional.ofNullable(dtype).map(type -> type.dtype),
                                        maxShardBytes,
                                        write.output,
                                        write.force,
                                        threads.checked(),
                                        common.progress()));
        printer.human(
                "%d models, λ %s · %d tensors merged, %d carried from the base"
                        .formatted(
                                models.size(),
                                weight,
                                (long) ledger.total("tensorsMerged"),
                                (long) ledger.total("tensorsCarried")));
        write.announce(printer);
        printer.document(LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }
}
