package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeOptions;
import graft.convert.merge.MergeRequest;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "merge",
        description = "Merge fine-tunes of one base into one model.",
        footer = {
            "",
            "--force also accepts a base that the fine-tunes seem not to come from.",
            "",
            "Example:",
            "  graft merge tune-a tune-b --base base-model -o merged"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class MergeCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin FineTuneOptions family = new FineTuneOptions();
    @Mixin MergeOptionGroup merge = new MergeOptionGroup();
    @Mixin ShardOptions shards = new ShardOptions();

    @Option(
            names = "--statistics",
            paramLabel = "FILE",
            arity = "1..*",
            description =
                    "For fisher: a file per fine-tune with the weight of every entry. For regmean: one"
                            + " with XᵀX of every linear layer's inputs, named as its weight.")
    List<String> statistics = new ArrayList<>();

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        MergeOptions options = merge.options(family.fineTunes.size());
        long maxShardBytes = shards.checked();
        List<MergeRequest.FineTune> models = new ArrayList<>();
        for (String fineTune : family.fineTunes) {
            models.add(new MergeRequest.FineTune(common.path(fineTune), common.name(fineTune)));
        }
        List<Path> files = new ArrayList<>();
        for (String file : statistics) {
            files.add(common.path(file));
        }
        if (files.size() != (options.method().needsStatistics() ? models.size() : 0)) {
            throw new UsageException(
                    "--statistics: %d files for %s of %d fine-tunes"
                            .formatted(files.size(), options.method().word(), models.size()),
                    "--method fisher and regmean need one per fine-tune, the others none");
        }
        Ledger ledger =
                new MergeModels()
                        .run(
                                new MergeRequest(
                                        common.path(family.base),
                                        common.name(family.base),
                                        models,
                                        options,
                                        files,
                                        merge.dtype(),
                                        maxShardBytes,
                                        write.output,
                                        write.force,
                                        threads.checked(),
                                        common.progress()));
        ledger.warnings().forEach(warning -> printer.note("warning: " + warning));
        printer.human(
                "%d models, %s, λ %s · %d tensors merged, %d carried from the base"
                        .formatted(
                                models.size(),
                                options.method().word(),
                                options.weights().isEmpty() ? options.weight() : options.weights(),
                                (long) ledger.total("tensorsMerged"),
                                (long) ledger.total("tensorsCarried")));
        write.announce(printer);
        printer.document(LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }
}
