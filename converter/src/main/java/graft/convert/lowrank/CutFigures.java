package graft.convert.lowrank;

import graft.convert.ledger.TensorRecord;
import graft.formats.peft.LoraModule;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What a ledger says of modules that were cut. */
public final class CutFigures {
    /** Treatment of a module that is left out since nothing of it is kept. */
    public static final String DROPPED = "dropped";

    private CutFigures() {}

    static TensorRecord record(
            LoraModule module,
            ModuleSpectrum measured,
            int rank,
            long bytesOut,
            double rounding,
            double weight) {
        Spectrum spectrum = measured.spectrum();
        double energy = spectrum.energy();
        double lost = spectrum.discardedEnergy(rank);
        List<Float> sigma = new ArrayList<>(); // seven digits are enough for a picture
        for (double value : spectrum.sigma()) {
            sigma.add((float) value);
        }
        Map<String, Object> figures = new TreeMap<>();
        figures.put("rankIn", module.rank());
        figures.put("numericalRank", spectrum.numericalRank());
        figures.put("rank", rank);
        figures.put("norm", Math.sqrt(energy));
        figures.put("energyKept", energy == 0 ? 1 : 1 - lost / energy);
        figures.put("discardedEnergy", lost);
        figures.put("relativeError", Math.hypot(spectrum.relativeError(rank), rounding));
        figures.put("roundingError", rounding);
        figures.put("factoredBy", measured.byQr() ? "qr" : "gram");
        figures.put("sigma", sigma);
        if (weight != 1) {
            figures.put("baseNorm", weight);
        }
        return new TensorRecord(
                module.name(),
                "[%d, %d]".formatted(module.out(), module.in()),
                module.a().dtype().name(),
                rank == 0 ? DROPPED : "reduced",
                module.bytes(),
                bytesOut,
                figures);
    }

    /**
     * Sums over modules. Errors add up as squares: the modules' updates touch different weights.
     *
     * @param records of modules alone
     */
    public static Map<String, Number> totals(List<TensorRecord> records) {
        double energy = 0;
        double lost = 0;
        double rounded = 0;
        for (TensorRecord record : records) {
            double norm = record.figure("norm");
            energy += norm * norm;
            lost += square(record.figure("relativeError") * norm);
            rounded += square(record.figure("roundingError") * norm);
        }
        double norm = energy == 0 ? 1 : Math.sqrt(energy);
        return Map.of(
                "modules", records.size(),
                "modulesDropped", count(records, record -> record.treatment().equals(DROPPED)),
                "modulesByQr",
                        count(records, record -> "qr".equals(record.figures().get("factoredBy"))),
                "bytesIn", records.stream().mapToLong(TensorRecord::bytesIn).sum(),
                "bytesOut", records.stream().mapToLong(TensorRecord::bytesOut).sum(),
                "norm", Math.sqrt(energy),
                "relativeError", Math.sqrt(lost) / norm,
                "roundingError", Math.sqrt(rounded) / norm);
    }

    private static double square(double number) {
        return number * number;
    }

    private static long count(
            List<TensorRecord> records, java.util.function.Predicate<TensorRecord> which) {
        return records.stream().filter(which).count();
    }
}
