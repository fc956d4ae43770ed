package graft.convert.extract;

import graft.convert.ConversionException;
import graft.convert.extract.ExtractAdapter.Found;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.CutFigures;
import graft.convert.lowrank.ModelCard;
import graft.convert.lowrank.RankRule;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.peft.AdapterConfig;
import graft.formats.peft.LoraModule;
import graft.formats.peft.WholeTensor;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What was found in a fine-tune, as parts of an adapter and as lines of a ledger. */
record Extraction(ExtractRequest request, Difference difference, List<Found> found) {
    private static final String UNCHANGED = "unchanged";

    /**
     * @throws ConversionException.NothingMatched if no weight changed
     */
    List<AdapterCut.Part> parts() throws ConversionException {
        List<AdapterCut.Part> parts =
                found.stream().map(Found::part).filter(Objects::nonNull).toList();
        if (parts.isEmpty()) {
            throw new ConversionException.NothingMatched(
                    "%s: none of its %d weights differs from the base's"
                            .formatted(request.source(), found.size()),
                    "there is nothing to extract; the base alone does the same");
        }
        return parts;
    }

    /** What goes into the adapter whole, beside these modules. */
    List<WholeTensor> payload(List<LoraModule> kept) {
        Set<String> names = kept.stream().map(LoraModule::name).collect(Collectors.toSet());
        return request.factorsOnly() ? List.of() : difference.named(names);
    }

    AdapterConfig config() throws IOException {
        boolean all = !request.factorsOnly();
        return AdapterConfig.fresh(
                request.baseSource(),
                difference.fanInFanOut(),
                all ? difference.modulesToSave() : List.of(),
                all && difference.savesBiases());
    }

    List<String> wholeNames() {
        return request.factorsOnly()
                ? List.of()
                : difference.whole().stream().map(tensor -> tensor.info().name()).toList();
    }

    ModelCard card() {
        return new ModelCard(
                "Extracted adapter",
                "%s as an adapter of %s, %s, by randomised SVD of fine-tune − base."
                        .formatted(
                                ModelCard.code(request.source()),
                                ModelCard.code(request.baseSource()),
                                request.policy().rule().sentence()),
                Optional.of(request.baseSource()));
    }

    Ledger ledger(
            Checkpoint base,
            Checkpoint model,
            List<Ledger.Input> inputs,
            AdapterCut cut,
            List<TensorRecord> modules,
            List<Ledger.Output> outputs)
            throws IOException {
        List<TensorRecord> records = records(base, model, modules);
        Map<String, Object> options = new TreeMap<>();
        options.put(request.policy().rule().word(), request.policy().rule().value());
        options.put("profile", request.policy().profile().name());
        options.put("maxRank", request.mostRank());
        options.put("embeddings", request.embeddings().name());
        options.put("factorsOnly", request.factorsOnly());
        request.policy().dtype().ifPresent(dtype -> options.put("dtype", dtype.name()));
        Map<String, Number> totals = new TreeMap<>(CutFigures.totals(modules));
        totals.put("fileBytes", cut.fileBytes());
        totals.put("bytesIn", records.stream().mapToLong(TensorRecord::bytesIn).sum());
        totals.put("bytesOut", records.stream().mapToLong(TensorRecord::bytesOut).sum());
        totals.put("whole", wholeNames().size());
        totals.put(
                "unchanged",
                records.stream().filter(record -> record.treatment().equals(UNCHANGED)).count());
        List<String> warnings = new ArrayList<>(base.warnings());
        warnings.addAll(model.warnings());
        if (request.policy().rule() instanceof RankRule.Energy(double wanted)) {
            long limited =
                    modules.stream().filter(m -> m.figure("energyKept") < wanted - 1e-9).count();
            if (limited > 0) {
                warnings.add(
                        "%d modules keep less energy than asked for: --max-rank is %d"
                                .formatted(limited, request.mostRank()));
            }
        }
        if (request.factorsOnly() && !difference.whole().isEmpty()) {
            warnings.add(
                    "%d tensors changed and are left out (--factors-only), %s first"
                            .formatted(
                                    difference.whole().size(),
                                    difference.whole().getFirst().info().name()));
        }
        return new Ledger("extract", inputs, options, outputs, records, totals, warnings);
    }

    private List<TensorRecord> records(
            Checkpoint base, Checkpoint model, List<TensorRecord> modules) {
        Map<String, TensorRecord> byModule = new TreeMap<>();
        modules.forEach(record -> byModule.put(record.name(), record));
        List<TensorRecord> records = new ArrayList<>();
        for (Found one : found) {
            TensorInfo info = one.site().pair().model();
            TensorRecord cut = byModule.get(one.site().module());
            if (cut == null) {
                records.add(TensorRecord.of(info, UNCHANGED, 0, Map.of()));
                continue;
            }
            Map<String, Object> figures = new TreeMap<>(cut.figures());
            figures.put("passes", one.passes());
            figures.remove("rankIn");
            String treatment =
                    cut.treatment().equals(CutFigures.DROPPED) ? CutFigures.DROPPED : "extracted";
            records.add(TensorRecord.of(info, treatment, cut.bytesOut(), figures));
        }
        for (WholeTensor tensor : difference.whole()) {
            boolean kept = !request.factorsOnly();
            long bytes = kept ? tensor.info().bytes() : 0;
            records.add(
                    TensorRecord.of(tensor.info(), kept ? "whole" : "left out", bytes, Map.of()));
        }
        for (TensorInfo info : difference.unchanged()) {
            records.add(TensorRecord.of(info, UNCHANGED, 0, Map.of()));
        }
        for (TensorInfo info : base.tensors()) {
            if (model.find(info.name()).isEmpty()) {
                records.add(TensorRecord.of(info, "not in the model", 0, Map.of()));
            }
        }
        records.sort(Comparator.comparing(TensorRecord::name));
        return records;
    }
}
