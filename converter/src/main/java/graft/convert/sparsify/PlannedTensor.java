package graft.convert.sparsify;

import graft.convert.plan.TensorPair;
import graft.formats.delta.DeltaWriter;
import graft.formats.delta.IndexSizes;
import graft.formats.delta.SparseTensor;
import graft.formats.delta.ValueCodec;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import java.io.IOException;
import java.util.Map;

/**
 * One tensor whose kept entries, coding and scale are known.
 *
 * @param sparse how it will be stored
 * @param energy ‖u‖²
 * @param keptEnergy Σ_kept u²
 */
record PlannedTensor(
        TensorPair pair,
        Threshold threshold,
        SparseTensor sparse,
        double energy,
        double keptEnergy) {
    /** One pass: counts what is kept, adds up its cost under every codec, finds the scale. */
    static PlannedTensor of(TensorPair pair, Threshold threshold, SparsifyOptions options)
            throws IOException {
        var sums =
                new Object() {
                    long ties = threshold.ties();
                    double energy;
                    double keptEnergy;
                    double keptMagnitude;
                };
        var sizes = new IndexSizes(pair.elements());
        pair.walk((first, base, model, count) -> {
            for (int i = 0; i < count; i++) {
                double u = model[i] - base[i];
                sums.energy += u * u;
            }
            sums.ties =
                    threshold.walk(
                            first,
                            base,
                            model,
                            count,
                            sums.ties,
                            (index, _, u) -> {
                                sizes.add(index);
                                sums.keptMagnitude += Math.abs(u);
                                sums.keptEnergy += (double) u * u;
                            });
        });
        IndexSizes.Choice choice = sizes.cheapest();
        boolean signs = options.values() == SparsifyOptions.Values.sign;
        float scale = 0;
        if (signs && sizes.count() > 0) {
            scale =
                    (float)
                            switch (options.gain()) {
                                case none -> sums.keptMagnitude / sizes.count();
                                case projection -> sums.energy / sums.keptMagnitude;
                            };
        }
        var sparse =
                new SparseTensor(
                        pair.model(),
                        sizes.count(),
                        choice.codec(),
                        choice.parameter(),
                        choice.bytes(),
                        signs ? ValueCodec.SIGN : ValueCodec.EXACT,
                        scale);
        return new PlannedTensor(pair, threshold, sparse, sums.energy, sums.keptEnergy);
    }

    /** The last pass: writes the entries and measures what applying them will give. */
    Map<String, Number> write(DeltaWriter writer) throws IOException {
        var sums =
                new Object() {
                    long ties = threshold.ties();
                    double squaredError;
                    double largestError;
                };
        DType type = sparse.info().dtype();
        boolean signs = sparse.values() == ValueCodec.SIGN;
        try (var entries = writer.entries(sparse)) {
            pair.walk((first, base, model, count) -> {
                sums.ties =
                        threshold.walk(
                                first,
                                base,
                                model,
                                count,
                                sums.ties,
                                (index, i, u) -> {
                                    entries.add(index, signs ? u : model[i]);
                                    base[i] =
                                            signs
                                                    ? base[i] + Math.copySign(sparse.scale(), u)
                                                    : model[i];
                                });
                for (int i = 0; i < count; i++) {
                    double error = (double) model[i] - Elements.round(type, base[i]);
                    sums.squaredError += error * error;
                    sums.largestError = Math.max(sums.largestError, Math.abs(error));
                }
            });
        }
        return figures(sums.squaredError, sums.largestError);
    }

    private Map<String, Number> figures(double squaredError, double largestError) {
        return Map.of(
                "nonZeros",
                sparse.count(),
                "norm",
                Math.sqrt(energy),
                "energyKept",
                energy == 0 ? 1 : keptEnergy / energy,
                "relativeError",
                energy == 0 ? 0 : Math.sqrt(squaredError / energy),
                "maxAbsError",
                largestError);
    }

    /** The figures known before anything is written; the error is that of the selection alone. */
    Map<String, Number> plannedFigures() {
        return Map.of(
                "nonZeros", sparse.count(),
                "norm", Math.sqrt(energy),
                "energyKept", energy == 0 ? 1 : keptEnergy / energy);
    }
}
