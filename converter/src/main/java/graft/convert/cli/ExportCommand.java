package graft.convert.cli;

import graft.convert.export.AdapterFromOnnx;
import graft.convert.export.BindGraph;
import graft.convert.export.ExportModels;
import graft.convert.export.ExportRequest;
import graft.convert.export.SlotNames;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.formats.tensor.DType;
import graft.hub.RepoRef;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "export",
        description = "Write ONNX graphs with models' weights in place, and run them.",
        footer = {
            "",
            "Examples:",
            "  graft export my-model --base base-model --graph base.onnx -o onnx",
            "  graft export adapter-a adapter-b --base base-model --mode slots -o onnx",
            "  graft export converted --base base-model --graph base.onnx --mode shared -o onnx",
            "  graft export base-model --graph base.onnx --dry-run --json",
            "  graft export task.onnx_adapter --mode peft -o adapter"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ExportCommand implements Callable<Integer> {
    private static final int DEFAULT_TIMEOUT_SECONDS = 600;

    /** Modes of the use case, and the way back. */
    enum Mode {
        merged,
        shared,
        slots,
        sparseSlots,
        peft;

        @Override
        public String toString() {
            return this == sparseSlots ? "sparse-slots" : name();
        }
    }

    /** Files that hold a shared base. */
    enum Data {
        onnx,
        safetensors
    }

    @Mixin CommonOptions common = new CommonOptions();

    @Parameters(
            arity = "1..*",
            paramLabel = "SRC",
            description = {
                "Fine-tunes, sparse deltas or LoRA adapters of one base, or a folder of graft convert;",
                "with --mode peft .onnx_adapter files."
            })
    List<String> sources;

    @Option(
            names = {"-o", "--output"},
            paramLabel = "DIR",
            description = "Folder to create.")
    @Nullable Path output;

    @Option(names = "--force", description = "Replace the output if it exists.")
    boolean force;

    @Option(
            names = "--graph",
            paramLabel = "REF",
            description =
                    "ONNX export of the base; default its onnx/model.onnx, model.onnx or only graph.")
    @Nullable String graph;

    @Option(
            names = "--base",
            paramLabel = "REF",
            description = "Checkpoint that the sources build on; default the graph's own weights.")
    @Nullable String base;

    @Option(
            names = "--graph-base",
            paramLabel = "REF",
            description = "Checkpoint that the graph was exported from, if not --base.")
    @Nullable String graphBase;

    @Option(
            names = "--mode",
            paramLabel = "merged|shared|slots|sparse-slots|peft",
            description = {
                "merged (default): dense graphs. shared: one base for all graphs.",
                "slots: one graph, an .onnx_adapter per LoRA. sparse-slots: one per sparse delta,",
                "scattered in every run, which then takes a copy of the weights.",
                "peft: .onnx_adapter back to PEFT."
            })
    Mode mode = Mode.merged;

    @Option(
            names = "--profile",
            paramLabel = "peft|genai|olive",
            description = "Names of slots (default peft).")
    SlotNames profile = SlotNames.peft;

    @Option(
            names = "--slot-dtype",
            paramLabel = "float32|bfloat16",
            converter = FloatTypes.class,
            description = "Type of slots (default float32).")
    DType slotType = DType.F32;

    @Option(
            names = "--dtype",
            paramLabel = FloatTypes.LABEL,
            converter = FloatTypes.class,
            description =
                    "Type that matrices are stored as; computing is float32 (default: the graph's own).")
    @Nullable DType storage;

    @Option(
            names = "--data",
            paramLabel = "onnx|safetensors",
            description = {
                "Where shared and slots keep the base: in a file for ONNX Runtime alone (default), or in the",
                "checkpoint's own safetensors files, copied beside the graphs."
            })
    Data data = Data.onnx;

    @Option(names = "--dry-run", description = "Only tell which initializer holds which tensor.")
    boolean dryRun;

    @Option(names = "--no-verify", description = "Do not run the graphs in ONNX Runtime.")
    boolean noVerify;

    @Option(
            names = "--verify-timeout",
            paramLabel = "SECONDS",
            description = "How long ONNX Runtime may take to run all graphs (default 600).")
    int timeoutSeconds = DEFAULT_TIMEOUT_SECONDS;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        checkOptions();
        if (dryRun) {
            return bind(printer);
        }
        if (output == null) {
            throw new UsageException("no output given", "name a folder to create with -o DIR");
        }
        Ledger ledger =
                mode == Mode.peft
                        ? new AdapterFromOnnx().run(named(sources), base, output, force)
                        : new ExportModels().run(request(output));
        print(printer, ledger);
        OutputOptions.announce(printer, output);
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    private void checkOptions() {
        if (slotType == DType.F16) {
            throw new UsageException(
                    "--slot-dtype float16: ONNX Runtime 1.23 to 1.29 crashes on such slots",
                    "use bfloat16 or float32");
        }
        if (mode == Mode.sparseSlots && slotType != DType.F32) {
            throw new UsageException(
                    "--slot-dtype is for factors of adapters, --mode sparse-slots has values",
                    "use --dtype bfloat16: values are stored as the matrices are");
        }
        if (mode == Mode.sparseSlots && profile != SlotNames.peft) {
            throw new UsageException(
                    "--profile names factors of adapters, --mode sparse-slots has values",
                    "leave it out");
        }
        if (data == Data.safetensors && (mode == Mode.merged || mode == Mode.peft)) {
            throw new UsageException(
                    "--data safetensors, but --mode %s shares no base".formatted(mode),
                    "use --mode shared, slots or sparse-slots");
        }
        if (data == Data.safetensors && storage != null) {
            throw new UsageException(
                    "--data safetensors and --dtype exclude each other",
                    "the checkpoint's files have the type that they have");
        }
        if (timeoutSeconds < 1) {
            throw new UsageException(
                    "--verify-timeout %d is no time".formatted(timeoutSeconds),
                    "give seconds, or --no-verify");
        }
        if (dryRun && (sources.size() != 1 || mode == Mode.peft)) {
            throw new UsageException(
                    "--dry-run binds one checkpoint to one graph",
                    "give the base's checkpoint alone, and --graph");
        }
    }

    private ExportRequest request(Path folder) throws IOException {
        return new ExportRequest(
                named(sources),
                common.graph(graph, models()),
                named(graphBase),
                named(base),
                switch (mode) {
                    case merged, peft -> ExportRequest.Mode.merged;
                    case shared -> ExportRequest.Mode.shared;
                    case slots -> ExportRequest.Mode.slots;
                    case sparseSlots -> ExportRequest.Mode.sparseSlots;
                },
                new ExportRequest.Form(
                        Optional.ofNullable(storage), profile, slotType, data == Data.safetensors),
                noVerify ? Optional.empty() : Optional.of(Duration.ofSeconds(timeoutSeconds)),
                folder,
                force,
                common.progress());
    }

    /** Where a graph may be kept, the likeliest first. */
    private List<String> models() {
        List<String> models = new ArrayList<>();
        if (graphBase != null) {
            models.add(graphBase);
        }
        if (base != null) {
            models.add(base);
        }
        models.addAll(sources);
        return models;
    }

    private Optional<ExportRequest.Named> named(@Nullable String ref) throws IOException {
        return ref == null ? Optional.empty() : Optional.of(one(ref));
    }

    private List<ExportRequest.Named> named(List<String> refs) throws IOException {
        List<ExportRequest.Named> all = new ArrayList<>();
        for (String ref : refs) {
            all.add(one(ref));
        }
        return all;
    }

    private ExportRequest.Named one(String ref) throws IOException {
        return new ExportRequest.Named(common.path(ref), common.name(ref), Refs.title(ref));
    }

    private int bind(Printer printer) throws Exception {
        String checkpoint = base == null ? sources.getFirst() : base;
        Optional<RepoRef> remoteGraph = Refs.remote(graph == null ? checkpoint : graph);
        if (common.announcesDownload(output, List.of(checkpoint), null, remoteGraph)) {
            return ExitCodes.DONE;
        }
        BindGraph.Report report =
                new BindGraph()
                        .run(common.path(checkpoint), common.graph(graph, List.of(checkpoint)));
        Map<String, Object> document = report.document();
        for (Object entry : (List<?>) document.getOrDefault("bindings", List.of())) {
            var one = (Map<?, ?>) entry;
            printer.human(
                    "%s = %s (%s, by %s)"
                            .formatted(
                                    one.get("initializer"),
                                    one.get("tensor"),
                                    one.get("transform"),
                                    one.get("how")));
        }
        printer.human("coverage %s".formatted(document.get("coverage")));
        printer.human("no tensor for %s".formatted(document.get("unboundInitializers")));
        printer.human("not in the graph %s".formatted(document.get("unboundTensors")));
        printer.document(() -> Json.object(document));
        OutputOptions.announceDryRun(printer);
        if (!report.isSameBase()) {
            printer.note(
                    "graft: the graph is of another checkpoint: %d tensors have other values in it"
                            .formatted(
                                    ((List<?>) document.getOrDefault("differing", List.of()))
                                            .size()));
            return ExitCodes.MALFORMED_INPUT;
        }
        return ExitCodes.DONE;
    }

    private static void print(Printer printer, Ledger ledger) {
        if (ledger.totals().containsKey("initializersBound")) {
            printer.human(
                    "%d initializers bound to %d tensors of the base, %d hold none of it; %d tensors are not in the graph"
                            .formatted(
                                    (long) ledger.total("initializersBound"),
                                    (long) ledger.total("tensorsBound"),
                                    (long) ledger.total("initializersUnbound"),
                                    (long) ledger.total("tensorsUnbound")));
        }
        for (Map<String, Object> result : ledger.results()) {
            String what =
                    result.containsKey("replaced")
                            ? "%s: %s replaced, %s scattered, "
                                    .formatted(
                                            result.getOrDefault("adapter", result.get("graph")),
                                            result.get("replaced"),
                                            result.get("scattered"))
                            : "%s: %s modules, "
                                    .formatted(result.get("adapter"), result.get("modules"));
            printer.human(
                    what
                            + Sizes.decimal(((Number) result.getOrDefault("bytes", 0)).longValue())
                            + (result.containsKey("verified")
                                    ? " · " + result.get("verified")
                                    : ""));
        }
        ledger.warnings().forEach(warning -> printer.note("graft: " + warning));
    }
}
