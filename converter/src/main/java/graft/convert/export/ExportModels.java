package graft.convert.export;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.plan.Inputs;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaReader;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.PeftAdapter;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Exports models of one base as ONNX graphs in one folder, and runs each in ONNX Runtime before the
 * folder gets its name. Stateless, safe from any thread.
 */
public final class ExportModels {
    /**
     * @throws ConversionException.NothingMatched if the graph holds no weight of its base
     * @throws ConversionException.BaseMismatch if a model does not fit the graph or the base
     * @throws ConversionException.CheckFailed if ONNX Runtime computes something else than the
     *     dense form
     */
    public Ledger run(ExportRequest request) throws IOException {
        try (var graph = OnnxModel.open(request.graph());
                var graphBase = Checkpoint.open(request.graphBase().path());
                var base = Checkpoint.open(request.base().path())) {
            var export = new ExportGraph(graph, graphBase);
            try (var staged = Inputs.stage(request.output(), request.force())) {
                List<TensorChange> under = ModelChanges.ofCheckpoint(graphBase, base);
                export.buildOn(placeable(under, graphBase));
                if (request.mode() == ExportRequest.Mode.shared) {
                    export.sharedBase(staged.path());
                }
                request.progress().phase("export", request.sources().size());
                List<Map<String, Object>> results = new ArrayList<>();
                for (ExportRequest.Source source : request.sources()) {
                    results.add(one(request, export, source, base, staged.path()));
                    request.progress().advance(1);
                }
                Ledger ledger = ledger(request, graphBase, base, export, results, staged.path());
                LedgerWriter.write(staged.path(), ledger, Map.of());
                staged.commit();
                return ledger;
            }
        }
    }

    /**
     * What the base has and the graph's does not belongs to no task: a merged model has no head.
     */
    private static List<TensorChange> placeable(List<TensorChange> changes, Checkpoint graphBase) {
        return changes.stream()
                .filter(change -> graphBase.find(change.info().name()).isPresent())
                .toList();
    }

    private static Map<String, Object> one(
            ExportRequest request,
            ExportGraph export,
            ExportRequest.Source source,
            Checkpoint base,
            Path folder)
            throws IOException {
        boolean shared = request.mode() == ExportRequest.Mode.shared;
        try (var model = OpenModel.open(source.path(), base)) {
            if (model.changes().isEmpty()) {
                throw new ConversionException.NothingMatched(
                        "%s changes nothing in %s".formatted(source.source(), base.name()),
                        "check that the source is not the base itself");
            }
            ExportReport report =
                    shared
                            ? export.shared(source.task(), model.changes(), folder)
                            : export.merged(source.task(), model.changes(), folder);
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("task", source.task());
            result.put("graph", report.graph().getFileName().toString());
            result.put("bytes", report.bytes());
            result.put("replaced", report.replaced());
            result.put("scattered", report.scattered());
            if (request.verify()) {
                result.put(
                        "verified",
                        verify(export, source.task(), model.changes(), folder, request));
            }
            return result;
        }
    }

    private static String verify(
            ExportGraph export,
            String task,
            List<TensorChange> changes,
            Path folder,
            ExportRequest request)
            throws IOException {
        Path written = folder.resolve(task + ".onnx");
        if (request.mode() == ExportRequest.Mode.merged) {
            return GraphProbe.compare(written, request.graph(), GraphProbe.Expect.DIFFERENT);
        }
        Path scratch = Files.createDirectory(folder.resolve(".check"));
        try {
            export.merged(task, changes, scratch);
            return GraphProbe.compare(
                    written, scratch.resolve(task + ".onnx"), GraphProbe.Expect.SAME);
        } finally {
            for (String name : List.of(task + ".onnx", task + ".onnx.data")) {
                Files.deleteIfExists(scratch.resolve(name));
            }
            Files.delete(scratch);
        }
    }

    private static Ledger ledger(
            ExportRequest request,
            Checkpoint graphBase,
            Checkpoint base,
            ExportGraph export,
            List<Map<String, Object>> results,
            Path folder)
            throws IOException {
        List<Ledger.Input> inputs = new ArrayList<>();
        inputs.addAll(Inputs.of("graph", request.graph().toString(), List.of(request.graph())));
        inputs.addAll(Inputs.of("graph base", request.graphBase().source(), graphBase.files()));
        if (!request.base().equals(request.graphBase())) {
            inputs.addAll(Inputs.of("base", request.base().source(), base.files()));
        }
        for (ExportRequest.Source source : request.sources()) {
            inputs.addAll(Inputs.of("model", source.source(), files(source.path())));
        }
        GraphBinding binding = export.binding();
        Map<String, Number> totals = new TreeMap<>();
        totals.put("initializersBound", binding.bindings().size());
        totals.put("initializersUnbound", binding.unboundInitializers().size());
        totals.put("tensorsUnbound", binding.unboundTensors().size());
        return new Ledger(
                "export",
                inputs,
                Map.of("mode", request.mode().name(), "verify", request.verify()),
                LedgerWriter.outputs(folder),
                List.of(),
                totals,
                results,
                List.of());
    }

    private static List<Path> files(Path source) throws IOException {
        if (PeftAdapter.isAt(source)) {
            try (var adapter = PeftAdapter.open(source)) {
                return adapter.files();
            }
        }
        if (DeltaReader.isAt(source)) {
            return List.of(source.resolve(DeltaHeader.FILE_NAME));
        }
        try (var checkpoint = Checkpoint.open(source)) {
            return checkpoint.files();
        }
    }
}
