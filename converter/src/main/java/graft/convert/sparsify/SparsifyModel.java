package graft.convert.sparsify;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.plan.Inputs;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaWriter;
import graft.formats.delta.SparseTensor;
import graft.formats.io.SideFiles;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Writes what distinguishes a fine-tune from its base as a sparse delta.
 *
 * <p>Passes over both checkpoints: two to find thresholds (four for a global one), one to size, one
 * to write; one more over the base to hash it. State per tensor is O(1). The output does not depend
 * on the number of threads. Stateless, safe from any thread.
 */
public final class SparsifyModel {
    /**
     * @return what was kept and lost; with {@code dryRun} before anything is written
     * @throws ConversionException.NothingMatched if the two share no tensor
     * @throws ConversionException.UnusableValues at the first NaN or infinity
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     * @throws graft.formats.FormatException if a checkpoint cannot be read
     */
    public Ledger run(SparsifyRequest request) throws IOException {
        long start = System.nanoTime();
        try (var model = Checkpoint.open(request.fineTune());
                var base = Checkpoint.open(request.base());
                var workers = new Workers(request.threads())) {
            List<TensorPair> pairs = shared(base, model);
            if (pairs.isEmpty()) {
                throw new ConversionException.NothingMatched(
                        "%s and %s share no tensor of the same name and shape"
                                .formatted(request.source(), request.baseSource()),
                        "check that this is the base the model was fine-tuned from");
            }
            var selection = new Selection(pairs, request.options(), workers, request.progress());
            List<PlannedTensor> planned = plan(request, pairs, selection.thresholds(), workers);
            List<TensorInfo> whole = whole(base, model);
            if (request.dryRun()) {
                List<TensorRecord> records =
                        planned.stream().map(p -> record(p, p.plannedFigures())).toList();
                return ledger(request, base, model, join(records, whole, base, model), List.of());
            }
            try (var staged = Inputs.stage(request.output(), request.force())) {
                DeltaHeader header = header(request, base, model, planned, workers);
                List<TensorRecord> records =
                        write(request, staged.path(), header, planned, whole, model, workers);
                SideFiles.copy(request.fineTune(), staged.path());
                Ledger ledger =
                        ledger(
                                request,
                                base,
                                model,
                                join(records, whole, base, model),
                                LedgerWriter.outputs(staged.path()));
                LedgerWriter.write(staged.path(), ledger, workers.figuresSince(start));
                staged.commit();
                return ledger;
            }
        }
    }

    private static List<TensorPair> shared(Checkpoint base, Checkpoint model) {
        List<TensorPair> pairs = new ArrayList<>();
        for (TensorInfo info : model.tensors()) {
            Optional<TensorInfo> before = base.find(info.name());
            if (before.isPresent() && TensorPair.isShared(before.get(), info)) {
                pairs.add(TensorPair.of(base, model, info.name()));
            }
        }
        pairs.sort(Comparator.comparing(pair -> pair.model().name()));
        return pairs;
    }

    /** What the base lacks, or has in another shape or in a type that cannot be subtracted. */
    private static List<TensorInfo> whole(Checkpoint base, Checkpoint model) {
        return model.tensors().stream()
                .filter(info ->
                        base.find(info.name())
                                .filter(before -> TensorPair.isShared(before, info))
                                .isEmpty())
                .sorted(Comparator.comparing(TensorInfo::name))
                .toList();
    }

    private static List<PlannedTensor> plan(
            SparsifyRequest request,
            List<TensorPair> pairs,
            List<Threshold> thresholds,
            Workers workers)
            throws IOException {
        request.progress()
                .phase("plan %d tensors".formatted(pairs.size()), TensorPair.bytes(pairs));
        List<Integer> items = new ArrayList<>();
        for (int i = 0; i < pairs.size(); i++) {
            items.add(i);
        }
        return workers.map(
                items,
                i -> {
                    TensorPair pair = pairs.get(i);
                    var planned = PlannedTensor.of(pair, thresholds.get(i), request.options());
                    request.progress().advance(pair.bytes());
                    return planned;
                });
    }

    private static DeltaHeader header(
            SparsifyRequest request,
            Checkpoint base,
            Checkpoint model,
            List<PlannedTensor> planned,
            Workers workers)
            throws IOException {
        List<SparseTensor> tensors = planned.stream().map(PlannedTensor::sparse).toList();
        List<String> names = tensors.stream().map(tensor -> tensor.info().name()).toList();
        return new DeltaHeader(
                request.baseSource(),
                BaseIdentity.of(base, names, workers),
                request.options().words(),
                model.metadata(),
                tensors);
    }

    private static List<TensorRecord> write(
            SparsifyRequest request,
            Path folder,
            DeltaHeader header,
            List<PlannedTensor> planned,
            List<TensorInfo> whole,
            Checkpoint model,
            Workers workers)
            throws IOException {
        long bytes = planned.stream().mapToLong(tensor -> tensor.pair().bytes()).sum();
        request.progress().phase("write %d tensors".formatted(planned.size()), bytes);
        Path file = folder.resolve(DeltaHeader.FILE_NAME);
        try (var writer = DeltaWriter.create(file, header, whole)) {
            for (TensorInfo info : whole) {
                writer.writeWhole(info, model.bytes(info.name()));
            }
            return workers.map(
                    planned,
                    tensor -> {
                        TensorRecord record = record(tensor, tensor.write(writer));
                        request.progress().advance(tensor.pair().bytes());
                        return record;
                    });
        }
    }

    private static TensorRecord record(PlannedTensor tensor, Map<String, Number> figures) {
        return TensorRecord.of(tensor.sparse().info(), "sparse", tensor.sparse().bytes(), figures);
    }

    private static List<TensorRecord> join(
            List<TensorRecord> sparse, List<TensorInfo> whole, Checkpoint base, Checkpoint model) {
        List<TensorRecord> all = new ArrayList<>(sparse);
        for (TensorInfo info : whole) {
            all.add(TensorRecord.of(info, "whole", info.bytes(), Map.of()));
        }
        for (TensorInfo info : base.tensors()) {
            if (model.find(info.name()).isEmpty()) {
                all.add(TensorRecord.of(info, "not in the model", 0, Map.of()));
            }
        }
        all.sort(Comparator.comparing(TensorRecord::name));
        return Collections.unmodifiableList(all);
    }

    private static Ledger ledger(
            SparsifyRequest request,
            Checkpoint base,
            Checkpoint model,
            List<TensorRecord> records,
            List<Ledger.Output> outputs)
            throws IOException {
        List<Ledger.Input> inputs = new ArrayList<>();
        inputs.addAll(Inputs.of("base", request.baseSource(), base.files()));
        inputs.addAll(Inputs.of("fine-tune", request.source(), model.files()));
        List<String> warnings = new ArrayList<>(base.warnings());
        warnings.addAll(model.warnings());
        return new Ledger(
                "sparsify",
                inputs,
                new TreeMap<>(request.options().words()),
                outputs,
                records,
                Totals.of(records),
                warnings);
    }
}
