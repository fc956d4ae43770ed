package graft.convert.apply;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.plan.InputHashes;
import graft.convert.plan.Inputs;
import graft.convert.plan.Workers;
import graft.formats.peft.AdapterChange;
import graft.formats.peft.PeftAdapter;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Merges an adapter of any kind that Graft reads into its base. Streams tensor by tensor and tile
 * by tile; the output has the base's files, and does not depend on the number of threads.
 * Stateless, safe from any thread.
 */
public final class ApplyAdapter {
    /** A component that is being merged. */
    private record Plan(Components.Part part, BaseModel base, List<MergedTensor> tensors) {
        /** The record of a tensor, by its path where there are several components. */
        TensorRecord named(TensorRecord record) {
            return part.folder().isEmpty()
                    ? record
                    : record.withName(part.folder() + "/" + record.name());
        }
    }

    /**
     * @throws ConversionException.BaseMismatch if the adapter does not fit the base
     * @throws ConversionException.UnusableValues if the result would hold NaN or infinity
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     * @throws graft.formats.FormatException if a file cannot be read
     */
    public Ledger run(AdapterRequest request) throws IOException {
        return run(request, false);
    }

    /** What {@link #run} would do; refuses what does not fit, writes nothing. */
    public Ledger plan(AdapterRequest request) throws IOException {
        return run(request, true);
    }

    private Ledger run(AdapterRequest request, boolean dryRun) throws IOException {
        long start = System.nanoTime();
        Path from = request.initial();
        List<BaseModel> open = new ArrayList<>();
        try (var adapter =
                        from == null
                                ? PeftAdapter.open(request.adapter())
                                : PeftAdapter.openUnconverted(request.adapter());
                var initial = from == null ? null : PeftAdapter.openUnconverted(from);
                var workers = new Workers(request.threads());
                var hashes = new InputHashes()) {
            List<String> warnings = new ArrayList<>(adapter.warnings());
            NavigableMap<String, List<AdapterChange>> changes = byComponent(adapter);
            var components = Components.of(changes.navigableKeySet(), request.bases());
            List<Plan> plans = new ArrayList<>();
            for (Components.Part part : components.parts()) {
                BaseModel base = BaseModel.open(part.base().path(), part.base().source());
                open.add(base);
                warnings.addAll(base.weights().warnings());
                plans.add(plan(request, part, base, adapter, initial, changes, warnings));
            }
            for (Plan plan : plans) {
                hashes.add("base", plan.part().base().source(), plan.base().weights().files());
            }
            hashes.add("adapter", request.source(), adapter.files());
            if (initial != null) {
                hashes.add("initial-adapter", String.valueOf(from), initial.files());
            }
            if (dryRun) {
                List<TensorRecord> records = new ArrayList<>();
                for (Plan plan : plans) {
                    plan.tensors().forEach(tensor -> records.add(plan.named(tensor.record())));
                }
                return ledger(request, adapter, hashes.get(), records, warnings, List.of());
            }
            try (var staged = Inputs.stage(request.output(), request.force())) {
                List<TensorRecord> records =
                        write(request, staged.path(), components, plans, workers);
                List<Ledger.Output> outputs = LedgerWriter.outputs(staged.path());
                Ledger ledger = ledger(request, adapter, hashes.get(), records, warnings, outputs);
                LedgerWriter.write(staged.path(), ledger, workers.figuresSince(start));
                staged.commit();
                return ledger;
            }
        } finally {
            open.forEach(BaseModel::close);
        }
    }

    private static NavigableMap<String, List<AdapterChange>> byComponent(PeftAdapter adapter) {
        return adapter.changes().stream()
                .collect(
                        Collectors.groupingBy(
                                change -> adapter.locate(change).component(),
                                TreeMap::new,
                                Collectors.toList()));
    }

    private static Plan plan(
            AdapterRequest request,
            Components.Part part,
            BaseModel base,
            PeftAdapter adapter,
            @Nullable PeftAdapter initial,
            Map<String, List<AdapterChange>> changes,
            List<String> warnings)
            throws IOException {
        var plan = new PlanComponent(base, adapter, request.rounding());
        plan.add(changes.getOrDefault(part.component(), List.of()));
        if (initial != null) {
            plan.subtract(initial, byComponent(initial).getOrDefault(part.component(), List.of()));
        }
        List<MergedTensor> tensors = plan.tensors();
        warnings.addAll(plan.warnings());
        return new Plan(part, base, tensors);
    }

    private static List<TensorRecord> write(
            AdapterRequest request,
            Path folder,
            Components components,
            List<Plan> plans,
            Workers workers)
            throws IOException {
        List<MergedTensor> all = plans.stream().flatMap(plan -> plan.tensors().stream()).toList();
        long bytes = all.stream().mapToLong(tensor -> tensor.out().bytes()).sum();
        long merged = all.stream().filter(tensor -> !tensor.isCarried()).count();
        request.progress()
                .phase("merge into %d of %d tensors".formatted(merged, all.size()), bytes);
        Path pipeline = components.pipeline();
        if (pipeline != null) {
            Set<String> names =
                    components.parts().stream()
                            .map(Components.Part::folder)
                            .collect(Collectors.toSet());
            WriteModel.copyOthers(pipeline, folder, names);
        }
        var writer = new WriteModel(workers, request.progress());
        List<TensorRecord> records = new ArrayList<>();
        for (Plan plan : plans) {
            Path into = folder.resolve(plan.part().folder());
            Files.createDirectories(into);
            for (TensorRecord record : writer.write(into, plan.base(), plan.tensors())) {
                records.add(plan.named(record));
            }
        }
        return records;
    }

    private static Ledger ledger(
            AdapterRequest request,
            PeftAdapter adapter,
            List<Ledger.Input> inputs,
            List<TensorRecord> records,
            List<String> warnings,
            List<Ledger.Output> outputs) {
        long carried = records.stream().filter(r -> r.treatment().equals("carried")).count();
        return new Ledger(
                "apply",
                inputs,
                Map.of(
                        "rounding",
                        request.rounding() == Rounding.PEFT ? "peft" : "once",
                        "dialect",
                        adapter.dialect(),
                        "type",
                        adapter.config().type().name()),
                outputs,
                records,
                Map.of(
                        "modules", adapter.changes().size(),
                        "tensors", records.size(),
                        "tensorsMerged", records.size() - carried,
                        "tensorsCarried", carried,
                        "bytesOut", records.stream().mapToLong(TensorRecord::bytesOut).sum()),
                warnings);
    }
}
