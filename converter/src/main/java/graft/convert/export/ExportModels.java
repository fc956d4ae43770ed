package graft.convert.export;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.plan.Inputs;
import graft.formats.onnx.OnnxModel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Exports models of one base as ONNX graphs in one folder, and runs each in ONNX Runtime, in a
 * process of its own, before the folder gets its name. Stateless, safe from any thread.
 */
public final class ExportModels {
    /** Folders of a bundle's graphs, if it has both kinds. */
    public static final String DELTAS = "deltas";

    /** See {@link #DELTAS}. */
    public static final String ADAPTERS = "adapters";

    /**
     * @throws ConversionException.NothingMatched if the graph holds no weight of its base
     * @throws ConversionException.BaseMismatch if a model does not fit the graph or the base, or
     *     the graph is of another base
     * @throws ConversionException.CheckFailed if ONNX Runtime computes something else than the
     *     dense form, crashes or does not finish
     */
    public Ledger run(ExportRequest request) throws IOException {
        List<ExportTask> tasks = ExportTask.of(request.sources());
        try (var bases = ExportBases.open(request, tasks);
                var staged = Inputs.stage(request.output(), request.force())) {
            Path scratch = Files.createDirectory(staged.path().resolve(".check"));
            var run = new Run(request, bases, tasks, staged.path(), scratch);
            run.export();
            List<Map<String, Object>> gates =
                    request.verify().isPresent()
                            ? new GateRunner(request.verify().orElse(Duration.ZERO))
                                    .run(run.gates, scratch)
                            : List.of();
            deleteAll(scratch);
            run.complain();
            Ledger ledger = run.ledger(gates);
            LedgerWriter.write(staged.path(), ledger, Map.of());
            staged.commit();
            return ledger;
        }
    }

    private static void deleteAll(Path folder) throws IOException {
        List<Path> files;
        try (var list = Files.list(folder)) {
            files = list.toList();
        }
        for (Path file : files) {
            Files.delete(file);
        }
        Files.delete(folder);
    }

    /** One export: what is being written where, and what must be checked afterwards. */
    private static final class Run {
        private final ExportRequest request;
        private final ExportBases bases;
        private final List<ExportTask> tasks;
        private final Path folder;
        private final Path scratch;
        private final Map<String, Integer> sizes;
        private final List<GraphGate> gates = new ArrayList<>();
        private final List<Map<String, Object>> results = new ArrayList<>();
        private final List<Ledger.Input> inputs = new ArrayList<>();
        private final TreeSet<String> warnings = new TreeSet<>();
        private final Map<Optional<Path>, Path> denseBases = new HashMap<>();

        Run(
                ExportRequest request,
                ExportBases bases,
                List<ExportTask> tasks,
                Path folder,
                Path scratch)
                throws IOException {
            this.request = request;
            this.bases = bases;
            this.tasks = tasks;
            this.folder = folder;
            this.scratch = scratch;
            this.sizes = GraphFinder.sizes(bases.folders());
        }

        void export() throws IOException {
            request.progress().phase("export", tasks.size());
            switch (request.mode()) {
                case merged -> {
                    for (ExportTask task : tasks) {
                        bases.buildOn(task);
                        graph(task, folder);
                    }
                }
                case shared -> shared();
                case slots -> slots(new SlotExport(request, bases, tasks, folder));
                case sparseSlots -> slots(new SparseSlotExport(request, bases, tasks, folder));
            }
        }

        /** A folder has one base: deltas on a merged model and adapters on its base get two. */
        private void shared() throws IOException {
            List<List<ExportTask>> groups = bases.groups(tasks);
            for (List<ExportTask> group : groups) {
                Path own =
                        groups.size() == 1
                                ? folder
                                : Files.createDirectory(
                                        folder.resolve(
                                                group.getFirst().merged().isPresent()
                                                        ? DELTAS
                                                        : ADAPTERS));
                bases.buildOn(group.getFirst());
                bases.sharedBase(group.getFirst(), own);
                for (ExportTask task : group) {
                    graph(task, own);
                }
            }
        }

        private void graph(ExportTask task, Path into) throws IOException {
            ExportGraph export = bases.export();
            boolean shared = request.mode() == ExportRequest.Mode.shared;
            try (var model = OpenModel.open(task.path(), bases.base(task))) {
                model.requireChanges(task.source(), bases.base(task).name());
                ExportReport report =
                        shared
                                ? export.shared(task.name(), model.changes(), into)
                                : export.merged(task.name(), model.changes(), into);
                inputs.addAll(Inputs.of("model", task.source(), model.files()));
                Map<String, Object> result = new LinkedHashMap<>();
                result.put("task", task.name());
                result.put("graph", relative(report.graph()));
                result.put("bytes", report.bytes());
                result.put("replaced", report.replaced());
                result.put("scattered", report.scattered());
                results.add(result);
                warnAbsent(task, report.absent());
                if (request.verify().isPresent()) {
                    boolean exact = model.adapter().isEmpty();
                    gates(task, report.graph(), shared, exact, model.changes());
                }
            }
            request.progress().advance(1);
        }

        private String relative(Path file) {
            return folder.relativize(file).toString().replace('\\', '/');
        }

        private void warnAbsent(ExportTask task, Iterable<String> absent) {
            for (String tensor : absent) {
                warnings.add(
                        "%s: the graph does not compute with %s, so its change has no effect"
                                .formatted(task.name(), tensor));
            }
        }

        /**
         * @param exact whether values are scattered, not computed
         */
        private void gates(
                ExportTask task,
                Path graph,
                boolean shared,
                boolean exact,
                List<TensorChange> changes)
                throws IOException {
            if (shared) {
                ExportReport dense = bases.export().merged(task.name(), changes, scratch);
                var close = // a merged weight is rounded once more than base and factors
                        request.form().isNarrow()
                                ? GraphGate.Expect.ROUGHLY
                                : GraphGate.Expect.CLOSE;
                var expect = exact ? GraphGate.Expect.SAME : close;
                gate(task.name(), graph, dense.graph(), expect);
            }
            gate(task.name(), graph, denseBase(task), GraphGate.Expect.DIFFERENT);
        }

        private void gate(String task, Path graph, Path reference, GraphGate.Expect expect) {
            gates.add(new GraphGate(task, graph, Optional.empty(), reference, expect, sizes));
        }

        /** The base that a task builds on, dense, and stored as what is compared with it. */
        private Path denseBase(ExportTask task) throws IOException {
            if (request.mode() == ExportRequest.Mode.merged && request.form().storage().isEmpty()) {
                return bases.graph().file();
            }
            Path known = denseBases.get(task.merged());
            if (known == null) {
                String name = ".base" + denseBases.size(); // no task is called so
                known = bases.export().merged(name, List.of(), scratch).graph();
                denseBases.put(task.merged(), known);
            }
            return known;
        }

        private void slots(SlotFiles slots) throws IOException {
            slots.run();
            results.addAll(slots.results());
            inputs.addAll(slots.inputs());
            slots.absent().forEach(this::warnAbsent);
            if (request.verify().isEmpty()) {
                return;
            }
            slots.gates(scratch, sizes, () -> denseBase(tasks.getFirst()), gates);
        }

        /** Structural rules that every graph of ours keeps. */
        void complain() throws IOException {
            List<Path> graphs;
            try (var files = Files.walk(folder)) {
                graphs = files.filter(f -> f.toString().endsWith(".onnx")).sorted().toList();
            }
            for (Path graph : graphs) {
                try (var model = OnnxModel.open(graph)) {
                    for (String complaint : model.complaints()) {
                        throw new ConversionException.CheckFailed(
                                "%s: %s".formatted(graph.getFileName(), complaint),
                                "this is a bug; please report it");
                    }
                }
            }
        }

        Ledger ledger(List<Map<String, Object>> checked) throws IOException {
            List<Ledger.Input> all = new ArrayList<>(bases.inputs());
            all.addAll(inputs);
            for (Map<String, Object> result : results) {
                List<Map<String, Object>> own =
                        checked.stream()
                                .filter(gate ->
                                        Objects.equals(gate.get("task"), result.get("task")))
                                .map(Run::withoutTask)
                                .toList();
                if (!own.isEmpty()) {
                    result.put("gates", own);
                    result.put("verified", String.valueOf(own.getFirst().get("means")));
                }
            }
            Map<String, Number> totals = new TreeMap<>();
            bases.binding()
                    .ifPresent(binding -> {
                        totals.put("initializersBound", binding.bindings().size());
                        totals.put("initializersUnbound", binding.unboundInitializers().size());
                        totals.put("tensorsBound", binding.boundTensors());
                        totals.put("tensorsUnbound", binding.unboundTensors().size());
                    });
            return new Ledger(
                    "export",
                    all,
                    options(),
                    LedgerWriter.outputs(folder),
                    List.of(),
                    totals,
                    results,
                    List.copyOf(warnings));
        }

        private static Map<String, Object> withoutTask(Map<String, Object> gate) {
            Map<String, Object> rest = new LinkedHashMap<>(gate);
            rest.remove("task");
            return rest;
        }

        private Map<String, Object> options() {
            Map<String, Object> options = new TreeMap<>();
            options.put("mode", request.mode().toString());
            options.put("verify", request.verify().isPresent());
            request.form().storage().ifPresent(type -> options.put("dtype", type.name()));
            if (request.form().fromCheckpoint()) {
                options.put("data", "safetensors");
            }
            if (request.mode() == ExportRequest.Mode.slots) {
                options.put("profile", request.form().profile().name());
                options.put("slotType", request.form().slotType().name());
            }
            return options;
        }
    }
}
