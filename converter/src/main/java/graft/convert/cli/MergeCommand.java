package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeOptions;
import graft.convert.merge.MergeRequest;
import graft.convert.merge.MergekitConfig;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "merge",
        description =
                "Merge fine-tunes of one base into one model; in place of them and the options, a"
                        + " configuration file of mergekit.",
        footer = {
            "",
            "Examples:",
            "  graft merge tune-a tune-b --base base-model -o merged",
            "  graft merge config.yml -o merged    (as mergekit-yaml does)"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class MergeCommand implements Callable<Integer> {
    private static final List<String> IN_THE_FILE =
            List.of(
                    "--base",
                    "--method",
                    "--weight",
                    "--tensor-weight",
                    "--merge-density",
                    "--gamma",
                    "--merge-scope",
                    "--alpha",
                    "--merge-seed",
                    "--dtype",
                    "--statistics");

    @Spec CommandSpec spec;
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin KinshipOptions kinship = new KinshipOptions();
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

    @Option(names = "--dry-run", description = "Say what would be done; write nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        Optional<MergekitConfig> config = config();
        List<String> fineTunes = config.map(MergekitConfig::models).orElse(family.fineTunes);
        String base = config.isPresent() ? config.get().base() : family.base();
        MergeOptions options =
                config.isPresent() ? config.get().options() : merge.options(fineTunes.size());
        long maxShardBytes = shards.checked();
        int cores = threads.checked();
        List<String> refs = new ArrayList<>(fineTunes);
        refs.addAll(statistics);
        if (dryRun && common.announcesDownload(write.output, refs, base)) {
            return ExitCodes.DONE;
        }
        List<MergeRequest.FineTune> models = new ArrayList<>();
        for (String fineTune : fineTunes) {
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
        var request =
                new MergeRequest(
                        config.map(_ -> Path.of(family.fineTunes.getFirst())),
                        common.path(base),
                        common.name(base),
                        models,
                        options,
                        files,
                        config.isPresent() ? config.get().dtype() : merge.dtype(),
                        maxShardBytes,
                        write.output,
                        write.force,
                        kinship.allowUnrelated,
                        cores,
                        common.progress());
        Ledger ledger = dryRun ? new MergeModels().plan(request) : new MergeModels().run(request);
        ledger.warnings().forEach(warning -> printer.note("warning: " + warning));
        printer.human(
                "%d model%s, %s%s · %d tensors merged, %d carried from the base"
                        .formatted(
                                models.size(),
                                models.size() == 1 ? "" : "s",
                                options.method().word(),
                                config.isPresent()
                                        ? ", as " + family.fineTunes.getFirst() + " says"
                                        : weight(options),
                                (long) ledger.total("tensorsMerged"),
                                (long) ledger.total("tensorsCarried")));
        write.announce(printer, dryRun);
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    private static String weight(MergeOptions options) {
        if (!options.method().weighs()) {
            return "";
        }
        return ", λ " + (options.weights().isEmpty() ? options.weight() : options.weights());
    }

    /** The merge that a file of mergekit's says, if one was given in place of fine-tunes. */
    private Optional<MergekitConfig> config() throws IOException {
        String first = family.fineTunes.getFirst();
        if (!MergekitConfig.isNamed(first) || !Files.isRegularFile(Refs.local(first))) {
            return Optional.empty();
        }
        if (family.fineTunes.size() > 1) {
            throw new UsageException(
                    first + " says what to merge; there is more beside it",
                    "give the file alone, or fine-tunes and options");
        }
        for (String name : IN_THE_FILE) {
            if (spec.commandLine().getParseResult().hasMatchedOption(name)) {
                throw new UsageException(
                        "%s has no effect beside %s".formatted(name, first),
                        "change the file, or go without");
            }
        }
        return Optional.of(MergekitConfig.read(Refs.local(first)));
    }
}
