package graft.convert.sparsify;

import graft.convert.plan.TensorPair;
import graft.convert.select.ResidualStatistics;
import graft.formats.checkpoint.Checkpoint;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Sizes and errors that many settings would give, from one pass over residuals: what {@code sweep}
 * and {@code convert --dry-run} print. {@link #add} is safe from any thread; the rest afterwards,
 * from one.
 */
public final class Forecast {
    private static final double[] DENSITIES = {
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5
    };
    private static final double[] NOISES = {0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 4};

    private final List<List<Estimator>> models = new ArrayList<>();
    private long denseBytes;
    private double fixedBytes;

    /**
     * @param count fine-tunes
     */
    public Forecast(int count) {
        for (int i = 0; i < count; i++) {
            models.add(new ArrayList<>());
        }
    }

    /** Takes the statistics of one tensor of one fine-tune. */
    public void add(int model, TensorPair pair) throws IOException {
        var estimator = new Estimator(pair.model(), ResidualStatistics.of(pair));
        synchronized (models) {
            models.get(model).add(estimator);
            denseBytes += pair.model().bytes();
        }
    }

    /** Counts what goes whole and leaves out what is stored once already. */
    public void addWhole(Path base, List<SparsifyBatch.Model> fineTunes, SparsifyOptions asked)
            throws IOException {
        try (var checkpoint = Checkpoint.open(base)) {
            for (int m = 0; m < fineTunes.size(); m++) {
                SparsifyBatch.Model fineTune = fineTunes.get(m);
                try (var open =
                        OpenPair.open(
                                fineTune.path(), fineTune.source(), checkpoint, "base", asked)) {
                    models.get(m).removeIf(e -> open.tied().containsKey(e.info().name()));
                    fixedBytes += TreatmentPlan.fixedBytes(open.wholeBytes(), open.pairs().size());
                    denseBytes += open.wholeBytes();
                }
            }
        }
    }

    /**
     * A row per setting, the asked one first: {@code setting}, {@code bytesPerTask}, {@code
     * smaller} (than the fine-tunes), {@code kept} (share of entries), {@code relativeError} (‖û −
     * u‖/‖u‖), {@code noise} (‖û − u‖²/‖θ‖² summed over tensors).
     */
    public List<Map<String, Object>> rows(SparsifyOptions asked) throws IOException {
        models.forEach(model -> model.sort(Comparator.comparing(e -> e.info().name())));
        List<Map<String, Object>> rows = new ArrayList<>();
        var plan = new TreatmentPlan(asked);
        rows.add(row("as asked: " + asked.words(), asked, plan, plan.amount(models, fixedBytes)));
        SparsifyOptions compact = SparsifyOptions.compact();
        var compactPlan = new TreatmentPlan(compact); // keeps what all levels share
        for (double noise : NOISES) {
            var amount = new Amount.Noise(noise);
            rows.add(row("compact, noise " + noise, compact, compactPlan, amount));
        }
        for (double density : DENSITIES) {
            rows.add(row("signs, density " + density, SparsifyOptions.signs(density)));
        }
        for (double density : DENSITIES) {
            rows.add(row("paper, density " + density, SparsifyOptions.paper(density)));
        }
        return rows;
    }

    private Map<String, Object> row(String name, SparsifyOptions options) {
        return row(name, options, new TreatmentPlan(options), options.amount());
    }

    private Map<String, Object> row(
            String name, SparsifyOptions options, TreatmentPlan plan, Amount amount) {
        double bytes = fixedBytes;
        double kept = 0;
        double elements = 0;
        double energy = 0;
        double lost = 0;
        double noise = 0;
        for (List<Estimator> model : models) {
            List<Treatment> treatments = plan.expected(model, amount);
            for (int i = 0; i < model.size(); i++) {
                Estimate estimate = model.get(i).of(treatments.get(i), options);
                bytes += estimate.bytes();
                kept += estimate.count();
                elements += model.get(i).statistics().elements();
                energy += estimate.energy();
                lost += estimate.noise();
                noise += estimate.relativeNoise();
            }
        }
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("setting", name);
        row.put("bytesPerTask", Math.round(bytes / models.size()));
        row.put("smaller", denseBytes / bytes);
        row.put("kept", kept / elements);
        row.put("relativeError", energy == 0 ? 0 : Math.sqrt(lost / energy));
        row.put("noise", noise / models.size());
        return row;
    }
}
