package graft.convert.cli;

import graft.convert.export.ExportModels;
import graft.convert.export.ExportRequest;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;

@Command(
        name = "export",
        description = "Write ONNX graphs with models' weights in place, and run them.",
        footer = {
            "",
            "Examples:",
            "  graft export my-model --base base-model --graph base.onnx -o onnx",
            "  graft export adapter-a adapter-b --base base-model --graph base.onnx --mode shared -o onnx",
            "  graft export delta --base merged --graph-base base-model --graph base.onnx --mode shared -o onnx"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ExportCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();

    @Parameters(
            arity = "1..*",
            paramLabel = "SRC",
            description = "Fine-tunes, sparse deltas or LoRA adapters of one base.")
    List<String> sources;

    @Option(
            names = "--graph",
            required = true,
            paramLabel = "FILE",
            description = "ONNX export of the base.")
    String graph;

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "Checkpoint that the sources build on.")
    String base;

    @Option(
            names = "--graph-base",
            paramLabel = "REF",
            description = "Checkpoint that the graph was exported from, if not --base.")
    @Nullable String graphBase;

    @Option(
            names = "--mode",
            paramLabel = "merged|shared",
            description = "merged (default): dense graphs. shared: one base for all graphs.")
    ExportRequest.Mode mode = ExportRequest.Mode.merged;

    @Option(names = "--no-verify", description = "Do not run the graphs in ONNX Runtime.")
    boolean noVerify;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        var named = new ExportRequest.Named(common.path(base), common.name(base));
        String graphSource = graphBase == null ? base : graphBase;
        Ledger ledger =
                new ExportModels()
                        .run(
                                new ExportRequest(
                                        tasks(),
                                        common.path(graph),
                                        new ExportRequest.Named(
                                                common.path(graphSource), common.name(graphSource)),
                                        named,
                                        mode,
                                        !noVerify,
                                        write.output,
                                        write.force,
                                        common.progress()));
        printer.human(
                "%d initializers bound to the base, %d not; %d tensors of the base are not in the graph"
                        .formatted(
                                (long) ledger.total("initializersBound"),
                                (long) ledger.total("initializersUnbound"),
                                (long) ledger.total("tensorsUnbound")));
        for (Map<String, Object> result : ledger.results()) {
            printer.human(
                    "%s: %s replaced, %s scattered, %s%s"
                            .formatted(
                                    result.get("graph"),
                                    result.get("replaced"),
                                    result.get("scattered"),
                                    Sizes.decimal(
                                            ((Number) result.getOrDefault("bytes", 0)).longValue()),
                                    result.containsKey("verified")
                                            ? " · " + result.get("verified")
                                            : ""));
        }
        write.announce(printer);
        printer.document(LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    /** Graphs are called after their sources; clashes get a number. */
    private List<ExportRequest.Source> tasks() throws IOException {
        List<ExportRequest.Source> tasks = new ArrayList<>();
        Set<String> taken = new HashSet<>();
        for (String source : sources) {
            Path path = common.path(source);
            String name = Refs.title(source);
            String plain =
                    name.replaceAll("\\.safetensors$", "").replaceAll("[^A-Za-z0-9._-]", "_");
            String task = plain;
            for (int i = 2; !taken.add(task); i++) {
                task = plain + "-" + i;
            }
            tasks.add(new ExportRequest.Source(path, source, task));
        }
        return tasks;
    }
}
