package graft.convert.job;

import graft.convert.ConversionException;
import graft.convert.export.ExportGraph;
import graft.convert.export.ModelChanges;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.lowrank.RankRule;
import graft.convert.merge.MergeOptions;
import graft.convert.plan.Inputs;
import graft.convert.plan.Progress;
import graft.convert.plan.Workers;
import graft.convert.reduce.ReduceAdapter;
import graft.convert.reduce.ReduceRequest;
import graft.convert.sparsify.SparsifyOptions;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaReader;
import graft.formats.io.StagedOutput;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The main job on a family of models, from checkpoints to scored ONNX graphs: merge the fine-tunes,
 * store each as a sparse delta in both presets at several densities, cut each adapter to several
 * ranks, export every result, and count right answers in ONNX Runtime.
 *
 * <p>Leaves behind: {@code merged/}, {@code deltas/SETTING/TASK/}, {@code adapters/SETTING/TASK/},
 * {@code onnx/fine-tunes/}, {@code onnx/deltas/} (one shared base for all tasks and densities),
 * {@code onnx/adapters/} (likewise) and {@code graft.json}.
 */
public final class Quickstart {
    /** Rows by which a score may differ from the reference: logits that all but tie. */
    static final int ROWS_OF_TOLERANCE = 2;

    private static final double WEIGHT = MergeOptions.DEFAULT_WEIGHT;
    private static final double[] DENSITIES = {0.01, 0.05, 0.1, 0.2};
    private static final String MERGED = "merged";
    private static final String ADAPTERS = "adapters";
    private static final String DELTAS = "deltas";
    private static final String FINE_TUNES = "fine-tunes";

    /** Densities at which every task's scattered graph is compared with its dense model. */
    private static final Setting.Residual CHECKED = new Setting.Residual("signs", 0.05, WEIGHT);

    /**
     * What to run on.
     *
     * @param family folder laid out as {@link Family} says
     * @param output folder to create
     * @param force whether an existing output is replaced
     * @param threads items at once; 0 for all cores
     * @param progress hears items done
     */
    public record Request(
            Path family, Path output, boolean force, int threads, Progress progress) {}

    private record Item(Setting setting, String task) {}

    /**
     * @return results per setting, in {@link Ledger#results}
     * @throws ConversionException.CheckFailed if a score is further from the family's reference
     *     than rounding explains, or a scattered graph is not its dense model; the output is then
     *     not kept
     */
    public Ledger run(Request request) throws IOException {
        long start = System.nanoTime();
        Family family = Family.open(request.family());
        List<Setting> settings = settings(family);
        List<Item> items = new ArrayList<>();
        for (Setting setting : settings) {
            family.tasks().forEach(task -> items.add(new Item(setting, task)));
        }
        try (var staged = Inputs.stage(request.output(), request.force());
                var workers = new Workers(request.threads())) {
            Path out = staged.path();
            request.progress()
                    .phase("[1/5] merge %d fine-tunes".formatted(family.tasks().size()), 1);
            FamilyModels.merge(family, MergeOptions.taskArithmetic(WEIGHT), out.resolve(MERGED));
            request.progress()
                    .phase("[2/5] compress %d models".formatted(items.size()), items.size());
            workers.map(items, item -> compress(request, family, item, out));
            request.progress()
                    .phase("[3/5] export %d graphs".formatted(items.size()), items.size());
            export(request, family, settings, out);
            request.progress().phase("[4/5] score them in ONNX Runtime", items.size());
            List<Integer> correct = workers.map(items, item -> score(request, family, item, out));
            request.progress().phase("[5/5] compare with dense models", family.tasks().size());
            verify(request, family, out);
            Ledger ledger = ledger(family, settings, correct, out);
            LedgerWriter.write(out, ledger, workers.figuresSince(start));
            staged.commit();
            return ledger;
        }
    }

    private static List<Setting> settings(Family family) throws IOException {
        List<Setting> settings = new ArrayList<>();
        settings.add(new Setting.SingleTask());
        settings.add(new Setting.Merged(WEIGHT));
        for (String preset : List.of("paper", "signs")) {
            for (double density : DENSITIES) {
                settings.add(new Setting.Residual(preset, density, WEIGHT));
            }
        }
        settings.add(new Setting.Compact(WEIGHT));
        int full = 1;
        for (String task : family.tasks()) {
            try (var adapter = PeftAdapter.open(family.adapter(task))) {
                full =
                        Math.max(
                                full,
                                adapter.modules().stream().mapToInt(m -> m.rank()).max().orElse(1));
            }
        }
        for (int rank = full; rank >= Math.max(1, full / 16); rank /= 2) {
            settings.add(new Setting.Adapter(rank, rank == full));
            if (rank < full && rank > 1) { // at 1 there is next to nothing to share out
                settings.add(new Setting.SharedRanks(rank));
            }
        }
        return settings;
    }

    private static Item compress(Request request, Family family, Item item, Path out)
            throws IOException {
        switch (item.setting()) {
            case Setting.Residual residual -> sparsify(family, item, residual.options(), out);
            case Setting.Compact _ -> sparsify(family, item, SparsifyOptions.compact(), out);
            case Setting.Adapter(int rank, boolean whole) when !whole ->
                    reduce(family, item, new RankRule.Fixed(rank), out);
            case Setting.SharedRanks(int rank) ->
                    reduce(family, item, parameters(family.adapter(item.task()), rank), out);
            case Setting.Adapter _, Setting.SingleTask _, Setting.Merged _ -> {}
        }
        request.progress().advance(1);
        return item;
    }

    private static void sparsify(Family family, Item item, SparsifyOptions options, Path out)
            throws IOException {
        FamilyModels.sparsify(
                family, item.task(), out.resolve(MERGED), options, stored(family, item, out));
    }

    private static void reduce(Family family, Item item, RankRule rule, Path out)
            throws IOException {
        Path adapter = family.adapter(item.task());
        new ReduceAdapter()
                .run(
                        ReduceRequest.of(
                                adapter, "lora-" + item.task(), rule, stored(family, item, out)));
    }

    /** What all modules together have at {@code rank}. */
    private static RankRule parameters(Path adapter, int rank) throws IOException {
        try (var opened = PeftAdapter.open(adapter)) {
            long sum = 0;
            for (LoraModule module : opened.modules()) {
                sum += rank * ((long) module.out() + module.in());
            }
            return new RankRule.Parameters(sum, 0);
        }
    }

    /** Where the compressed model lies; for what is not compressed, where the original does. */
    private static Path stored(Family family, Item item, Path out) {
        String slug = item.setting().slug();
        return switch (item.setting()) {
            case Setting.Residual _, Setting.Compact _ ->
                    out.resolve(DELTAS).resolve(slug).resolve(item.task());
            case Setting.SharedRanks _ -> out.resolve(ADAPTERS).resolve(slug).resolve(item.task());
            case Setting.Adapter(_, boolean whole) ->
                    whole
                            ? family.adapter(item.task())
                            : out.resolve(ADAPTERS).resolve(slug).resolve(item.task());
            case Setting.SingleTask _ -> family.fineTune(item.task());
            case Setting.Merged _ -> out.resolve(MERGED);
        };
    }

    private static void export(Request request, Family family, List<Setting> settings, Path out)
            throws IOException {
        Path onnx = Files.createDirectory(out.resolve("onnx"));
        Path fineTunes = Files.createDirectory(onnx.resolve(FINE_TUNES));
        Path deltas = Files.createDirectory(onnx.resolve(DELTAS));
        Path adapters = Files.createDirectory(onnx.resolve(ADAPTERS));
        try (var graph = OnnxModel.open(family.graph());
                var base = Checkpoint.open(family.base());
                var merged = Checkpoint.open(out.resolve(MERGED))) {
            var dense = new ExportGraph(graph, base);
            var overMerged = new ExportGraph(graph, base);
            overMerged.buildOn(ModelChanges.ofCheckpoint(base, merged));
            overMerged.sharedBase(deltas);
            var overBase = new ExportGraph(graph, base);
            overBase.sharedBase(adapters);
            for (Setting setting : settings) {
                for (String task : family.tasks()) {
                    var item = new Item(setting, task);
                    String name = exportedName(item);
                    switch (setting) {
                        case Setting.SingleTask _ -> {
                            try (var tuned = Checkpoint.open(family.fineTune(task))) {
                                dense.merged(
                                        name, ModelChanges.ofCheckpoint(base, tuned), fineTunes);
                            }
                        }
                        case Setting.Merged _ -> {
                            try (var tuned = Checkpoint.open(family.fineTune(task))) {
                                overMerged.shared(name, FamilyModels.heads(base, tuned), deltas);
                            }
                        }
                        case Setting.Residual _, Setting.Compact _ -> {
                            try (var delta = DeltaReader.open(stored(family, item, out))) {
                                overMerged.shared(
                                        name, ModelChanges.ofDelta(merged, delta), deltas);
                            }
                        }
                        case Setting.Adapter _, Setting.SharedRanks _ -> {
                            try (var adapter = PeftAdapter.open(stored(family, item, out))) {
                                overBase.shared(
                                        name, ModelChanges.ofAdapter(base, adapter), adapters);
                            }
                        }
                    }
                    request.progress().advance(1);
                }
            }
        }
    }

    /** Where the item's graph is a task. */
    private static Path exported(Item item, Path out) {
        String folder =
                switch (item.setting()) {
                    case Setting.SingleTask _ -> FINE_TUNES;
                    case Setting.Merged _, Setting.Residual _, Setting.Compact _ -> DELTAS;
                    case Setting.Adapter _, Setting.SharedRanks _ -> ADAPTERS;
                };
        return out.resolve("onnx").resolve(folder);
    }

    private static String exportedName(Item item) {
        return item.task() + "-" + item.setting().slug();
    }

    private static int score(Request request, Family family, Item item, Path out)
            throws IOException {
        int correct =
                Score.correct(
                        exported(item, out),
                        exportedName(item),
                        EvaluationRows.read(family.rows(item.task())));
        request.progress().advance(1);
        return correct;
    }

    /**
     * Puts each task's delta over the merged model densely, and runs that beside the scattered
     * graph.
     */
    private static void verify(Request request, Family family, Path out) throws IOException {
        Path scratch = Files.createDirectory(out.resolve("check"));
        try (var graph = OnnxModel.open(family.graph());
                var base = Checkpoint.open(family.base());
                var merged = Checkpoint.open(out.resolve(MERGED))) {
            var export = new ExportGraph(graph, base);
            export.buildOn(ModelChanges.ofCheckpoint(base, merged));
            for (String task : family.tasks()) {
                var item = new Item(CHECKED, task);
                try (var delta = DeltaReader.open(stored(family, item, out))) {
                    export.merged(task, ModelChanges.ofDelta(merged, delta), scratch);
                }
                var rows = EvaluationRows.read(family.rows(task));
                if (!Score.isSame(exported(item, out), exportedName(item), scratch, task, rows)) {
                    throw new ConversionException.CheckFailed(
                            "%s: the graph over the shared base and the dense graph of the same delta differ"
                                    .formatted(task),
                            "this is a bug; please report it");
                }
                request.progress().advance(1);
            }
        }
        StagedOutput.deleteTree(scratch);
    }

    private static Ledger ledger(
            Family family, List<Setting> settings, List<Integer> correct, Path out)
            throws IOException {
        ReferenceScores reference =
                family.expected().isPresent()
                        ? ReferenceScores.read(family.expected().get())
                        : ReferenceScores.none();
        var results = new QuickstartResults(family.tasks(), reference);
        int next = 0;
        for (Setting setting : settings) {
            long bytes = 0;
            for (String task : family.tasks()) {
                var item = new Item(setting, task);
                int rows = EvaluationRows.read(family.rows(task)).rows();
                results.add(setting, task, correct.get(next++), rows);
                bytes += weightBytes(stored(family, item, out), setting);
            }
            results.finish(setting, bytes / family.tasks().size());
        }
        results.check();
        return new Ledger(
                "quickstart",
                List.of(),
                Map.of("weight", WEIGHT, "tasks", family.tasks().size()),
                LedgerWriter.outputs(out),
                List.of(),
                results.totals(),
                results.rows(),
                List.of());
    }

    private static long weightBytes(Path stored, Setting setting) throws IOException {
        String file =
                switch (setting) {
                    case Setting.Residual _, Setting.Compact _ -> DeltaHeader.FILE_NAME;
                    case Setting.Adapter _, Setting.SharedRanks _ -> PeftAdapter.WEIGHTS;
                    case Setting.SingleTask _, Setting.Merged _ -> Checkpoint.SINGLE_FILE;
                };
        return Files.size(stored.resolve(file));
    }
}
