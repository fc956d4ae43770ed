package graft.convert.merge;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.plan.Inputs;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;
import graft.formats.FileSpot;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.io.SideFiles;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSink;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * θ* = θ₀ + λ Σ_t (θ_t − θ₀), an ordinary checkpoint.
 *
 * <p>Differences are taken in float32, summed in float64 in the order of the request, and rounded
 * once, to the base's type or the one asked for. A tensor that no fine-tune has, or has in another
 * shape, is the base's; one that only fine-tunes have, such as a head, is in none. All inputs
 * stream side by side, tile by tile. Stateless, safe from any thread; the output does not depend on
 * the number of threads.
 */
public final class MergeModels {
    private static final int TILE = 1 << 15;

    /**
     * @throws ConversionException.BaseMismatch if some fine-tunes have a tensor and others lack it
     * @throws ConversionException.NothingMatched if not one tensor is shared
     * @throws ConversionException.UnusableValues at the first NaN or infinity of the result
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     */
    public Ledger run(MergeRequest request) throws IOException {
        long start = System.nanoTime();
        List<Checkpoint> models = new ArrayList<>();
        try (var base = Checkpoint.open(request.base());
                var workers = new Workers(request.threads())) {
            for (var fineTune : request.fineTunes()) {
                models.add(Checkpoint.open(fineTune.path()));
            }
            List<Item> items = plan(request, base, models);
            try (var staged = Inputs.stage(request.output(), request.force())) {
                List<TensorRecord> records = write(request, staged.path(), base, items, workers);
                SideFiles.copy(request.base(), staged.path());
                Ledger ledger =
                        ledger(request, base, models, records, LedgerWriter.outputs(staged.path()));
                LedgerWriter.write(staged.path(), ledger, workers.figuresSince(start));
                staged.commit();
                return ledger;
            }
        } finally {
            models.forEach(Checkpoint::close);
        }
    }

    /** A tensor of the base and its counterparts; none if it is carried over. */
    private record Item(TensorInfo info, TensorInfo out, List<TensorPair> pairs) {
        long bytes() {
            return info.bytes() + pairs.stream().mapToLong(pair -> pair.model().bytes()).sum();
        }
    }

    private static List<Item> plan(MergeRequest request, Checkpoint base, List<Checkpoint> models)
            throws ConversionException {
        List<Item> items = new ArrayList<>();
        int merged = 0;
        for (TensorInfo info : base.tensors()) {
            List<TensorPair> pairs = new ArrayList<>();
            for (Checkpoint model : models) {
                Optional<TensorInfo> found = model.find(info.name());
                if (found.isPresent() && TensorPair.isShared(info, found.get())) {
                    pairs.add(TensorPair.of(base, model, info.name()));
                }
            }
            if (!pairs.isEmpty() && pairs.size() < models.size()) {
                throw new ConversionException.BaseMismatch(
                        "tensor %s is shared by %d of the %d fine-tunes"
                                .formatted(
                                        FileSpot.quote(info.name()), pairs.size(), models.size()),
                        "merge fine-tunes of one architecture; graft inspect shows what each holds");
            }
            merged += pairs.isEmpty() ? 0 : 1;
            TensorInfo out =
                    pairs.isEmpty() || request.dtype().isEmpty()
                            ? info
                            : new TensorInfo(info.name(), request.dtype().get(), info.shape());
            items.add(new Item(info, out, pairs));
        }
        if (merged == 0) {
            throw new ConversionException.NothingMatched(
                    "the fine-tunes share no tensor with " + request.baseSource(),
                    "check that this is the base they were fine-tuned from");
        }
        return items;
    }

    private static List<TensorRecord> write(
            MergeRequest request, Path folder, Checkpoint base, List<Item> items, Workers workers)
            throws IOException {
        request.progress()
                .phase(
                        "merge %d models".formatted(request.fineTunes().size()),
                        items.stream().mapToLong(Item::bytes).sum());
        List<TensorInfo> tensors = items.stream().map(Item::out).toList();
        try (var out =
                CheckpointWriter.create(
                        folder, tensors, base.metadata(), request.maxShardBytes())) {
            return workers.map(
                    items,
                    item -> {
                        String treatment = item.pairs().isEmpty() ? "carried" : "merged";
                        if (item.pairs().isEmpty()) {
                            out.write(item.info().name(), 0, base.bytes(item.info().name()));
                        } else {
                            merge(item, request.weight(), out);
                        }
                        request.progress().advance(item.bytes());
                        return TensorRecord.of(
                                item.info(), treatment, item.out().bytes(), Map.of());
                    });
        }
    }

    private static void merge(Item item, double weight, TensorSink out) throws IOException {
        TensorInfo info = item.info();
        long elements = info.shape().elements();
        int most = (int) Math.clamp(elements, 1, TILE);
        float[] base = new float[most];
        float[] model = new float[most];
        double[] sum = new double[most];
        try (Arena arena = Arena.ofConfined()) {
            DType type = item.out().dtype();
            MemorySegment tile = arena.allocate((long) most * type.bytes(), 64);
            MemorySegment baseBytes = item.pairs().getFirst().baseBytes();
            List<MemorySegment> modelBytes =
                    item.pairs().stream().map(TensorPair::modelBytes).toList();
            for (long first = 0; first < elements; first += most) {
                int count = (int) Math.min(most, elements - first);
                Elements.widen(info.dtype(), baseBytes, first, base, 0, count);
                java.util.Arrays.fill(sum, 0);
                for (int pair = 0; pair < modelBytes.size(); pair++) {
                    DType from = item.pairs().get(pair).model().dtype();
                    Elements.widen(from, modelBytes.get(pair), first, model, 0, count);
                    for (int i = 0; i < count; i++) {
                        sum[i] += model[i] - base[i];
                    }
                }
                for (int i = 0; i < count; i++) {
                    base[i] = (float) (base[i] + weight * sum[i]);
                    if (!Float.isFinite(Elements.round(type, base[i]))) {
                        throw notFinite(info, first + i, base[i]);
                    }
                }
                Elements.narrow(type, base, 0, tile, 0, count);
                out.write(
                        info.name(),
                        first * type.bytes(),
                        tile.asSlice(0, (long) count * type.bytes()));
            }
        }
    }

    private static ConversionException notFinite(TensorInfo info, long index, float value) {
        return new ConversionException.UnusableValues(
                "tensor %s: element %d of the merged model would be %s"
                        .formatted(FileSpot.quote(info.name()), index, value),
                "a fine-tune holds NaN or infinity there; get it again or leave it out");
    }

    private static Ledger ledger(
            MergeRequest request,
            Checkpoint base,
            List<Checkpoint> models,
            List<TensorRecord> records,
            List<Ledger.Output> outputs)
            throws IOException {
        List<Ledger.Input> inputs = new ArrayList<>();
        inputs.addAll(Inputs.of("base", request.baseSource(), base.files()));
        List<String> warnings = new ArrayList<>(base.warnings());
        for (int i = 0; i < models.size(); i++) {
            String source = request.fineTunes().get(i).source();
            inputs.addAll(Inputs.of("fine-tune", source, models.get(i).files()));
            warnings.addAll(models.get(i).warnings());
        }
        long merged = records.stream().filter(r -> r.treatment().equals("merged")).count();
        return new Ledger(
                "merge",
                inputs,
                Map.of(
                        "method", "task-arithmetic",
                        "weight", request.weight(),
                        "dtype", request.dtype().map(DType::name).orElse("as the base")),
                outputs,
                records,
                Map.of("tensorsMerged", merged, "tensorsCarried", records.size() - merged),
                warnings);
    }
}
