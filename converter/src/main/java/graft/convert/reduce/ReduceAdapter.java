package graft.convert.reduce;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.linalg.Kernel;
import graft.convert.linalg.Kernels;
import graft.convert.plan.Inputs;
import graft.convert.plan.Workers;
import graft.formats.FileSpot;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.peft.PeftAdapterWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Lowers the ranks of a LoRA adapter: two streaming passes over its factors, the first for the
 * spectra, the second to write. Nothing of the size of the adapter is on the heap; the output does
 * not depend on the number of threads. Stateless, safe from any thread.
 */
public final class ReduceAdapter {
    /** A module, what was found and what was decided. */
    private record Item(LoraModule module, ModuleSpectrum spectrum, int rank) {}

    /**
     * @return what was kept and lost; with {@code dryRun} before rounding, and nothing is written
     * @throws ConversionException.NothingMatched if the rule drops every module
     * @throws ConversionException.UnusableValues if a factor holds NaN or infinity
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     * @throws graft.formats.FormatException if the adapter cannot be read
     */
    public Ledger run(ReduceRequest request) throws IOException {
        long start = System.nanoTime();
        Kernel kernel = Kernels.select(request.kernel());
        try (var adapter = PeftAdapter.open(request.adapter());
                var workers = new Workers(request.threads())) {
            adapter.checkLowRankOnly("graft reduce");
            long bytes = adapter.modules().stream().mapToLong(LoraModule::bytes).sum();
            int count = adapter.modules().size();
            request.progress().phase("read %d modules".formatted(count), bytes);
            List<Item> items =
                    workers.map(
                            adapter.modules(), module -> measure(request, kernel, adapter, module));
            SortedMap<String, Integer> ranks = new TreeMap<>();
            items.stream()
                    .filter(item -> item.rank() > 0)
                    .forEach(item -> ranks.put(item.module().name(), item.rank()));
            if (ranks.isEmpty()) {
                throw new ConversionException.NothingMatched(
                        "%s: every one of its %d modules is zero"
                                .formatted(request.source(), count),
                        "there is nothing to keep; the base alone does the same");
            }
            if (request.dryRun()) {
                List<TensorRecord> records = items.stream().map(ReduceAdapter::planned).toList();
                return ledger(request, adapter, records, List.of());
            }
            try (var staged = Inputs.stage(request.output(), request.force())) {
                request.progress().phase("write %d modules".formatted(ranks.size()), bytes);
                List<TensorRecord> records;
                try (var writer = PeftAdapterWriter.create(staged.path(), adapter, ranks)) {
                    records = workers.map(items, item -> write(request, writer, item));
                }
                ModelCard.write(staged.path(), adapter, request, records);
                Ledger ledger =
                        ledger(request, adapter, records, LedgerWriter.outputs(staged.path()));
                Map<String, Object> run = new TreeMap<>(workers.figuresSince(start));
                run.put("kernel", kernel.name());
                LedgerWriter.write(staged.path(), ledger, run);
                staged.commit();
                return ledger;
            }
        }
    }

    private static Item measure(
            ReduceRequest request, Kernel kernel, PeftAdapter adapter, LoraModule module)
            throws IOException {
        ModuleSpectrum spectrum;
        try {
            spectrum =
                    ModuleSpectrum.of(
                            kernel,
                            factor(adapter, module.b(), module.out(), module.rank()),
                            factor(adapter, module.a(), module.rank(), module.in()),
                            module.scale());
        } catch (ArithmeticException e) {
            throw notFinite(request, adapter, module);
        }
        request.progress().advance(module.bytes());
        int rank = request.rule().choose(spectrum);
        return new Item(module, spectrum.truncated(rank), rank);
    }

    private static Factor factor(PeftAdapter adapter, TensorInfo info, int rows, int columns) {
        return new Factor(info.dtype(), adapter.bytes(info), rows, columns);
    }

    private static ConversionException notFinite(
            ReduceRequest request, PeftAdapter adapter, LoraModule module) {
        for (TensorInfo info : List.of(module.a(), module.b())) {
            float[] one = new float[1];
            for (long i = 0; i < info.shape().elements(); i++) {
                Elements.widen(info.dtype(), adapter.bytes(info), i, one, 0, 1);
                if (!Float.isFinite(one[0])) {
                    return new ConversionException.UnusableValues(
                            "%s: element %d is %s"
                                    .formatted(
                                            FileSpot.of(request.source()).tensor(info.name()),
                                            i,
                                            one[0]),
                            "training diverged or the file is damaged; get the adapter again");
                }
            }
        }
        return new ConversionException.UnusableValues(
                "%s: module %s is too large for float64"
                        .formatted(request.source(), FileSpot.quote(module.name())),
                "no trained adapter is; the file is damaged");
    }

    private static TensorRecord write(ReduceRequest request, PeftAdapterWriter writer, Item item)
            throws IOException {
        LoraModule module = item.module();
        request.progress().advance(module.bytes());
        if (item.rank() == 0) {
            return planned(item);
        }
        DType type = PeftAdapterWriter.dtype(module);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment b = arena.allocate((long) module.out() * item.rank() * type.bytes(), 64);
            MemorySegment a = arena.allocate((long) item.rank() * module.in() * type.bytes(), 64);
            Reduced reduced = item.spectrum().reduce(item.rank(), type, b, a);
            writer.write(module, b, a);
            return record(item, reduced.relativeError(), reduced.roundingError());
        }
    }

    private static TensorRecord planned(Item item) {
        return record(item, item.spectrum().relativeError(item.rank()), 0);
    }

    private static TensorRecord record(Item item, double error, double rounding) {
        LoraModule module = item.module();
        double energy = item.spectrum().energy();
        double lost = item.spectrum().discardedEnergy(item.rank());
        long bytesOut =
                (long) item.rank() * (module.in() + module.out()) * module.a().dtype().bytes();
        return new TensorRecord(
                module.name(),
                "[%d, %d]".formatted(module.out(), module.in()),
                module.a().dtype().name(),
                item.rank() == 0 ? "dropped" : "reduced",
                module.bytes(),
                bytesOut,
                Map.of(
                        "rankIn",
                        module.rank(),
                        "rank",
                        item.rank(),
                        "norm",
                        Math.sqrt(energy),
                        "energyKept",
                        energy == 0 ? 1 : 1 - lost / energy,
                        "relativeError",
                        error,
                        "roundingError",
                        rounding));
    }

    private static Ledger ledger(
            ReduceRequest request,
            PeftAdapter adapter,
            List<TensorRecord> records,
            List<Ledger.Output> outputs)
            throws IOException {
        List<Ledger.Input> inputs = Inputs.of("adapter", request.source(), adapter.files());
        Map<String, Object> options = new TreeMap<>();
        switch (request.rule()) {
            case RankRule.Fixed(int rank) -> options.put("rank", rank);
            case RankRule.Energy(double kept) -> options.put("energy", kept);
        }
        options.put("profile", "pattern");
        return new Ledger(
                "reduce", inputs, options, outputs, records, totals(records), adapter.warnings());
    }

    /** Errors of modules add up as squares: the modules' updates touch different weights. */
    private static Map<String, Number> totals(List<TensorRecord> records) {
        double energy = 0;
        double lost = 0;
        long dropped = 0;
        for (TensorRecord record : records) {
            double norm = record.figure("norm");
            double error = record.figure("relativeError") * norm;
            energy += norm * norm;
            lost += error * error;
            dropped += record.treatment().equals("dropped") ? 1 : 0;
        }
        return Map.of(
                "modules", records.size(),
                "modulesDropped", dropped,
                "bytesIn", records.stream().mapToLong(TensorRecord::bytesIn).sum(),
                "bytesOut", records.stream().mapToLong(TensorRecord::bytesOut).sum(),
                "relativeError", energy == 0 ? 0 : Math.sqrt(lost / energy));
    }
}
