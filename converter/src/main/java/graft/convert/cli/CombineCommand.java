package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.lowrank.RankRule;
import graft.convert.reduce.ReduceAdapter;
import graft.convert.reduce.ReduceRequest;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.ArgGroup;
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
        name = "combine",
        description = "Add up LoRA adapters of one base: the exact weighted sum of their ΔW.",
        footer = {
            "",
            "Without a rank option nothing is lost: ranks add up, less what depends on each other.",
            "",
            "Examples:",
            "  graft combine style subject -o both",
            "  graft combine style subject --weight 0.7 --weight 1 --rank 16 -o both",
            "  graft combine a b c --weight 0.33 --factors-only --size 20MB -o soup"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CombineCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin AdapterOptions adapter = new AdapterOptions();

    @Parameters(
            paramLabel = "ADAPTER",
            arity = "1..*",
            description = "Folders of PEFT LoRA adapters of one base.")
    List<String> adapters;

    @Option(
            names = {"-w", "--weight"},
            paramLabel = "W",
            description =
                    "Weight of an adapter, in their order; one for all if given once; 1 if not given.")
    List<Double> weights = new ArrayList<>();

    @ArgGroup(multiplicity = "0..1")
    @Nullable RankOptions target;

    @Option(names = "--dry-run", description = "Say what would be done; write nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        RankRule rule = target == null ? new RankRule.Lossless() : target.rule(adapter.minRank);
        var policy = adapter.policy(rule);
        int cores = threads.checked();
        checkWeights();
        if (dryRun && common.announcesDownload(write.output, adapters, null)) {
            return ExitCodes.DONE;
        }
        List<ReduceRequest.Source> sources = new ArrayList<>();
        for (int i = 0; i < adapters.size(); i++) {
            double weight =
                    weights.isEmpty()
                            ? 1
                            : weights.size() == 1 ? weights.getFirst() : weights.get(i);
            sources.add(
                    new ReduceRequest.Source(
                            common.path(adapters.get(i)), common.name(adapters.get(i)), weight));
        }
        Ledger ledger =
                new ReduceAdapter()
                        .run(
                                new ReduceRequest(
                                        "combine",
                                        sources,
                                        policy,
                                        Optional.empty(),
                                        adapter.factorsOnly,
                                        write.output,
                                        write.force,
                                        dryRun,
                                        cores,
                                        adapter.kernel,
                                        common.progress()));
        printer.human(AdapterSummary.of(ledger, ledger.tensors()));
        write.announce(printer, dryRun);
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    private void checkWeights() {
        if (weights.size() > 1 && weights.size() != adapters.size()) {
            throw new UsageException(
                    "%d weights for %d adapters".formatted(weights.size(), adapters.size()),
                    "give one --weight per adapter, or a single one for all");
        }
        for (double weight : weights) {
            if (weight == 0 || !Double.isFinite(weight)) {
                throw new UsageException("--weight " + weight, "a weight is a number other than 0");
            }
        }
    }
}
