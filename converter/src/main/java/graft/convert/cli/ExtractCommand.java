package graft.convert.cli;

import graft.convert.extract.ExtractAdapter;
import graft.convert.extract.ExtractRequest;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.lowrank.CutFigures;
import graft.convert.lowrank.RankRule;

import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "extract",
        description = "Make a LoRA adapter out of a fine-tune: the best factors of what changed.",
        footer = {
            "",
            "What did not change is not saved; norms, biases, embeddings and heads go in whole.",
            "",
            "Examples:",
            "  graft extract my-finetune --base base-model --rank 32 -o adapter",
            "  graft extract my-finetune --base base-model --size 50MB -o adapter",
            "  graft extract my-finetune --base base-model --rank 16 --profile uniform"
                    + " --factors-only -o for-vllm"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ExtractCommand implements Callable<Integer> {
    private static final int DEFAULT_MOST = 128;

    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin AdapterOptions adapter = new AdapterOptions();

    @Parameters(paramLabel = "FINETUNE", description = "File or folder of safetensors.")
    String fineTune;

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "The model that it was fine-tuned from.")
    String base;

    @ArgGroup(multiplicity = "1")
    RankOptions target;

    @Option(
            names = "--max-rank",
            paramLabel = "N",
            description = "No module gets more; 128 unless --rank says more.")
    int mostRank;

    @Option(
            names = "--embeddings",
            paramLabel = "whole|factors",
            description = "Replace embeddings and heads that changed whole, or give them factors.")
    ExtractRequest.Embeddings embeddings = ExtractRequest.Embeddings.whole;

    @Option(names = "--dry-run", description = "Say what would be done; leave nothing behind.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        RankRule rule = target.rule(adapter.minRank);
        var policy = adapter.policy(rule);
        int most = mostRank;
        if (most < 0) {
            throw new UsageException("--max-rank " + most, "--max-rank takes 1 or more");
        }
        if (most == 0) {
            most = rule instanceof RankRule.Fixed(int rank) ? rank : DEFAULT_MOST;
        }
        int cores = threads.checked();
        if (dryRun && common.announcesDownload(write.output, List.of(fineTune), base)) {
            return ExitCodes.DONE;
        }
        Ledger ledger =
                new ExtractAdapter()
                        .run(
                                new ExtractRequest(
                                        common.path(fineTune),
                                        common.name(fineTune),
                                        common.path(base),
                                        common.name(base),
                                        policy,
                                        most,
                                        embeddings,
                                        adapter.factorsOnly,
                                        write.output,
                                        write.force,
                                        dryRun,
                                        cores,
                                        adapter.kernel,
                                        common.progress()));
        List<TensorRecord> modules =
                ledger.tensors().stream()
                        .filter(record ->
                                record.treatment().equals("extracted")
                                        || record.treatment().equals(CutFigures.DROPPED))
                        .toList();
        printer.human(AdapterSummary.of(ledger, modules));
        printer.human(
                "%d tensors unchanged and not saved, %d saved whole"
                        .formatted((long) ledger.total("unchanged"), (long) ledger.total("whole")));
        write.announce(printer, dryRun);
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }
}
