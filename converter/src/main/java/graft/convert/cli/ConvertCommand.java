package graft.convert.cli;

import graft.convert.export.GraphFinder;
import graft.convert.job.ConvertModels;
import graft.convert.job.ConvertRequest;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.merge.MergeOptions;
import graft.convert.sparsify.SparsifyOptions;
import graft.formats.onnx.OnnxModel;
import graft.hub.RepoRef;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "convert",
        description =
                "The whole job: merge fine-tunes of one base, store each as a small delta, cut adapters,"
                        + " export to ONNX where there is a graph.",
        footer = {
            "",
            "A run that was killed goes on where it was when it is started again.",
            "",
            "Examples:",
            "  graft convert tune-a tune-b --base base-model -o family",
            "  graft convert tune-a tune-b --base base-model --size 5MB -o family",
            "  graft convert tune-a tune-b --base base-model --dry-run",
            "  graft apply family/tune-a -o model"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ConvertCommand implements Callable<Integer> {
    private static final String NO_GRAPH = "none";

    @Mixin CommonOptions common = new CommonOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin KinshipOptions kinship = new KinshipOptions();
    @Mixin MergeOptionGroup merge = new MergeOptionGroup();
    @Mixin SparsifyOptionGroup sparsify = new SparsifyOptionGroup();

    @Parameters(
            arity = "1..*",
            paramLabel = "SRC",
            description = "Fine-tunes and adapters: checkpoint files or folders.")
    List<String> sources;

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "What they started from.")
    String base;

    @Option(
            names = {"-o", "--output"},
            paramLabel = "DIR",
            description = "Folder to create.")
    @Nullable Path output;

    @Option(names = "--force", description = "Replace the output if it exists.")
    boolean force;

    @Option(
            names = "--energy",
            paramLabel = "F",
            description =
                    "Share of its energy that every module of an adapter keeps; default 0.95.")
    double energy = 0.95;

    @Option(
            names = "--graph",
            paramLabel = "REF",
            description = {
                "ONNX export of the base; default its onnx/model.onnx, model.onnx or only graph.",
                "none: no ONNX graphs."
            })
    @Nullable String graph;

    @Option(
            names = "--dry-run",
            description = "Print the sizes and errors that settings would give; write nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        if (output == null && !dryRun) {
            throw new UsageException("no --output", "name a folder to create: -o DIR");
        }
        if (!(energy > 0 && energy <= 1)) {
            throw new UsageException("--energy " + energy, "--energy takes a share such as 0.95");
        }
        Path target = output == null ? Path.of("unused") : output;
        MergeOptions merging = merge.optionsWithoutStatistics(sources.size());
        SparsifyOptions sparsifying = sparsify.options();
        int cores = threads.checked();
        checkGraph();
        Optional<RepoRef> remoteGraph = dryRun ? remoteGraph() : Optional.empty();
        if (dryRun
                && common.bytesToFetch(sources, base) > 0
                && common.announcesDownload(output, sources, base, remoteGraph)) {
            return ExitCodes.DONE;
        }
        List<ConvertRequest.Source> models = new ArrayList<>();
        for (String source : sources) {
            models.add(new ConvertRequest.Source(common.path(source), common.name(source)));
        }
        Path baseFolder = common.path(base);
        var request =
                new ConvertRequest(
                        models,
                        baseFolder,
                        common.name(base),
                        merging,
                        merge.dtype(),
                        sparsifying,
                        energy,
                        graph(),
                        graph != null,
                        target,
                        force,
                        kinship.allowUnrelated,
                        dryRun,
                        cores,
                        common.progress());
        Ledger ledger = new ConvertModels().run(request);
        ledger.warnings().forEach(warning -> printer.note("note: " + warning));
        if (dryRun) {
            printer.human(ForecastTable.of(ledger.results()));
            if (remoteGraph.isPresent()) {
                long bytes = common.hub().graphBytesToFetch(remoteGraph.get());
                printer.human("Would download the base's graph: " + Sizes.decimal(bytes));
            }
            OutputOptions.announceDryRun(printer);
        } else {
            printer.human(ConvertSummary.of(ledger));
            OutputOptions.announce(printer, target);
        }
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    /** Before models are downloaded, and in a dry run as well. */
    private void checkGraph() throws IOException {
        if (graph == null || graph.equals(NO_GRAPH)) {
            return;
        }
        Optional<RepoRef> remote = Refs.remote(graph);
        if (remote.isEmpty()) {
            OnnxModel.open(common.graph(graph, List.of()).orElseThrow()).close();
        } else if (!common.hub().hasGraph(remote.get())) {
            throw GraphFinder.missing(graph);
        }
    }

    /** The repository that would give the graph. */
    private Optional<RepoRef> remoteGraph() throws IOException {
        return NO_GRAPH.equals(graph)
                ? Optional.empty()
                : Refs.remote(graph == null ? base : graph);
    }

    private Optional<Path> graph() throws IOException {
        return dryRun || NO_GRAPH.equals(graph)
                ? Optional.empty()
                : common.graph(graph, List.of(base));
    }
}
