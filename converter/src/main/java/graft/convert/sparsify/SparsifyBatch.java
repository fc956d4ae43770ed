package graft.convert.sparsify;

import graft.convert.ConversionException;
import graft.convert.ledger.TensorRecord;
import graft.convert.plan.DeltaBase;
import graft.convert.plan.Journal;
import graft.convert.plan.Kinship;
import graft.convert.plan.Progress;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaWriter;
import graft.formats.delta.SparseTensor;
import graft.formats.io.SideFiles;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * Fine-tunes of one base, planned together and written one by one as sparse deltas.
 *
 * <p>Passes over both checkpoints: one for statistics where they decide something, one for a
 * threshold over all tensors, one to gather what is kept; one more over the base to hash it, for
 * all models together. What is kept by other rules, or is too much to hold, takes a pass to size,
 * one to write and one to measure. Memory is {@link graft.convert.select.LargestEntries} per
 * thread. Bytes do not depend on the number of threads. One thread calls it; the work runs on the
 * pool.
 */
public final class SparsifyBatch implements AutoCloseable {
    /**
     * A fine-tune to sparsify.
     *
     * @param path checkpoint file or folder
     * @param source what the user called it
     */
    public record Model(Path path, String source) {}

    private final String baseSource;
    private final Checkpoint base;
    private final List<OpenPair> models;
    private final Map<String, String> hashes;
    private final SparsifyOptions options;
    private final Workers workers;
    private final Progress progress;
    private final Map<List<String>, String> identities = new HashMap<>();

    private SparsifyBatch(
            String baseSource,
            Checkpoint base,
            List<OpenPair> models,
            Map<String, String> hashes,
            SparsifyOptions options,
            Workers workers,
            Progress progress) {
        this.hashes = hashes;
        this.baseSource = baseSource;
        this.base = base;
        this.models = models;
        this.options = options;
        this.workers = workers;
        this.progress = progress;
    }

    /**
     * Opens all; reads headers only.
     *
     * @throws ConversionException.NothingMatched if a model shares no tensor with the base
     * @throws graft.formats.FormatException if a checkpoint cannot be read
     */
    public static SparsifyBatch open(
            Path base,
            String baseSource,
            List<Model> models,
            SparsifyOptions options,
            Workers workers,
            Progress progress)
            throws IOException {
        return open(base, baseSource, models, Map.of(), options, workers, progress);
    }

    /**
     * The same.
     *
     * @param hashes SHA-256 of tensors of the base that need not be hashed again, by name
     */
    public static SparsifyBatch open(
            Path base,
            String baseSource,
            List<Model> models,
            Map<String, String> hashes,
            SparsifyOptions options,
            Workers workers,
            Progress progress)
            throws IOException {
        List<OpenPair> opened = new ArrayList<>();
        Checkpoint checkpoint = Checkpoint.open(base);
        try {
            for (Model model : models) {
                opened.add(
                        OpenPair.open(
                                model.path(), model.source(), checkpoint, baseSource, options));
            }
            return new SparsifyBatch(
                    baseSource, checkpoint, opened, hashes, options, workers, progress);
        } catch (Throwable e) {
            opened.forEach(OpenPair::close);
            checkpoint.close();
            throw e;
        }
    }

    /**
     * Refuses a model that is no fine-tune of the base; see {@link Kinship#check}.
     *
     * @return when allowed, what would have been the refusal
     */
    public List<String> checkKinship(int model, boolean allowed) throws ConversionException {
        OpenPair open = models.get(model);
        return Kinship.check(open.pairs(), open.source(), baseSource, allowed);
    }

    /** A plan for every model: how each tensor is stored. See {@link #write}. */
    public Plan plan() throws IOException {
        return new Plan(
                new TreatmentPlan(options).treatments(models, baseSource, workers, progress));
    }

    /** What {@link #plan} decided, by model and tensor. */
    public record Plan(List<List<Treatment>> models) {}

    /** Files a model was read from. */
    public List<Path> files(int model) {
        return models.get(model).model().files();
    }

    /** Files of the base. */
    public List<Path> baseFiles() {
        return base.files();
    }

    /** What opening accepted though it should not be there, a line each. */
    public List<String> warnings(int model) {
        List<String> warnings = new ArrayList<>(base.warnings());
        warnings.addAll(models.get(model).model().warnings());
        return warnings;
    }

    /**
     * Records of a model as they are expected to become, by name; nothing is written. Takes a pass
     * for statistics.
     *
     * @param layout of the file that would be written
     */
    List<TensorRecord> estimate(int model, SparsifyRequest.Layout layout) throws IOException {
        List<List<Planned>> plan =
                new TreatmentPlan(options).planned(models, baseSource, workers, progress);
        List<TensorRecord> records = new ArrayList<>();
        List<TensorPair> pairs = models.get(model).pairs();
        for (int i = 0; i < pairs.size(); i++) {
            Planned planned = plan.get(model).get(i);
            Estimate expected = planned.expected();
            TensorInfo info = pairs.get(i).model();
            long bytes =
                    switch (layout) {
                        case delta -> Math.round(expected.bytes());
                        case bitmask -> BitmaskExport.bytes(info, Math.round(expected.count()));
                    };
            records.add(TensorRecord.of(info, "sparse", bytes, planned.figures()));
        }
        return withWhole(records, models.get(model));
    }

    /**
     * Writes {@code delta.safetensors} and the model's side files into an existing folder. Parts
     * that the journal knows are not coded again.
     *
     * @return a record per tensor, by name
     */
    public List<TensorRecord> write(Plan plan, int model, Path folder, Journal journal)
            throws IOException {
        OpenPair open = models.get(model);
        List<TensorPair> pairs = open.pairs();
        UnaryOperator<String> keys = keys(model, open.model());
        progress.phase(
                "write %d tensors of %s".formatted(pairs.size(), open.source()),
                TensorPair.bytes(pairs));
        List<CodedTensor> coded =
                workers.map(
                        IntStream.range(0, pairs.size()).boxed().toList(),
                        i -> {
                            TensorPair pair = pairs.get(i);
                            Treatment treatment = plan.models().get(model).get(i);
                            CodedTensor done =
                                    code(pair, treatment, journal, keys.apply(pair.model().name()));
                            progress.advance(pair.bytes());
                            return done;
                        });
        List<SparseTensor> tensors = coded.stream().map(CodedTensor::sparse).toList();
        List<String> names = tensors.stream().map(tensor -> tensor.info().name()).toList();
        var header =
                new DeltaHeader(
                        baseSource,
                        identity(names),
                        options.words(),
                        options.seed(),
                        open.model().metadata(),
                        tensors,
                        tied(open));
        Path file = folder.resolve(DeltaHeader.FILE_NAME);
        try (var writer = DeltaWriter.create(file, header, open.whole())) {
            for (TensorInfo info : open.whole()) {
                writer.writeWhole(info, open.model().bytes(info.name()));
            }
            workers.map(
                    tensors,
                    tensor -> {
                        writer.writePart(tensor, journal.file(keys.apply(tensor.info().name())));
                        return tensor;
                    });
        }
        SideFiles.copy(open.path(), folder);
        List<TensorRecord> records = new ArrayList<>();
        for (CodedTensor tensor : coded) {
            records.add(
                    TensorRecord.of(
                            tensor.sparse().info(),
                            "sparse",
                            tensor.sparse().bytes(),
                            tensor.figures()));
        }
        return withWhole(records, open);
    }

    private static Map<String, String> tied(OpenPair open) {
        Map<String, String> tied = new TreeMap<>();
        open.tied().forEach((name, tie) -> tied.put(name, tie.same()));
        return tied;
    }

    /** Of the base; models with the same tensors share it, and the pass over the base. */
    private String identity(List<String> names) throws IOException {
        String known = identities.get(names);
        if (known == null) {
            known = DeltaBase.identity(base, names, hashes, workers);
            identities.put(names, known);
        }
        return known;
    }

    /** What the journal calls the parts of a model, by tensor. */
    static UnaryOperator<String> keys(int model, TensorSource source) {
        Map<String, String> keys = new HashMap<>();
        for (TensorInfo info : source.tensors()) {
            keys.put(info.name(), model + "-" + keys.size());
        }
        return name -> Objects.requireNonNull(keys.get(name), name);
    }

    private CodedTensor code(TensorPair pair, Treatment treatment, Journal journal, String key)
            throws IOException {
        Optional<CodedTensor> known =
                journal.find(key).flatMap(json -> CodedTensor.fromJson(pair.model(), json));
        if (known.isPresent() && Files.exists(journal.file(key))) {
            return known.get();
        }
        var coder = new TensorCoder(pair, treatment, options);
        CodedTensor coded = coder.code(journal.file(key));
        journal.record(key, coded.toJson());
        return coded;
    }

    private static List<TensorRecord> withWhole(List<TensorRecord> sparse, OpenPair open) {
        List<TensorRecord> all = new ArrayList<>(sparse);
        for (TensorInfo info : open.whole()) {
            all.add(TensorRecord.of(info, "whole", info.bytes(), Map.of()));
        }
        for (OpenPair.Tie tie : open.tied().values()) {
            all.add(TensorRecord.of(tie.info(), "tied", 0, Map.of("tiedTo", tie.same())));
        }
        for (TensorInfo info : open.base().tensors()) {
            if (open.model().find(info.name()).isEmpty()) {
                all.add(TensorRecord.of(info, "not in the model", 0, Map.of()));
            }
        }
        all.sort(Comparator.comparing(TensorRecord::name));
        return Collections.unmodifiableList(all);
    }

    @Override
    public void close() {
        models.forEach(OpenPair::close);
        base.close();
    }
}
