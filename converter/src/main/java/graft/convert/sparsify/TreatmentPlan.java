package graft.convert.sparsify;

import graft.convert.ConversionException;
import graft.convert.plan.Progress;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;
import graft.convert.select.ResidualStatistics;
import graft.convert.select.Threshold;
import graft.convert.select.TopEntries;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoubleFunction;
import java.util.stream.IntStream;

/** Decides how every tensor of several models is stored. */
final class TreatmentPlan {
    /** Share of a budget of bytes that is left free, with sizes known and with sizes sampled. */
    private static final double LEFT_EXACT = 0.004;

    private static final double LEFT_SAMPLED = 0.01;

    /** How close to that a trial has to come, and how many there are at most. */
    private static final double CLOSE = 0.003;

    private static final int ROUNDS = 10;

    private static final double FINEST = 4;

    /** Tensors that a thread estimates together. */
    private static final int TOGETHER = 256;

    /** What the directory takes for a tensor, deflated; measured on files of 50 to 300 tensors. */
    static final int DIRECTORY_BYTES = 30;

    private final SparsifyOptions options;
    private final Map<List<Estimator>, NoiseAllocation> allocations = new IdentityHashMap<>();
    private double finer = 1; // than the choices of an allocation, whose steps are coarse

    TreatmentPlan(SparsifyOptions options) {
        this.options = options;
    }

    /**
     * Per model and tensor, in the order of their pairs, with what to expect.
     *
     * @param baseSource what the base is called
     */
    List<List<Planned>> planned(
            List<OpenPair> models, String baseSource, Workers workers, Progress progress)
            throws IOException {
        List<List<Estimator>> estimators = statistics(models, workers, progress);
        List<List<Treatment>> treatments =
                treatments(models, estimators, baseSource, workers, progress);
        return IntStream.range(0, models.size())
                .mapToObj(m -> planned(estimators.get(m), treatments.get(m)))
                .toList();
    }

    /** Per model and tensor, in the order of their pairs; measures residuals only if it must. */
    List<List<Treatment>> treatments(
            List<OpenPair> models, String baseSource, Workers workers, Progress progress)
            throws IOException {
        List<List<Estimator>> estimators =
                needsStatistics()
                        ? statistics(models, workers, progress)
                        : models.stream().map(TreatmentPlan::unmeasured).toList();
        return treatments(models, estimators, baseSource, workers, progress);
    }

    /** Of a tensor by itself; empty where others, or any residual, have a say in it. */
    Optional<Treatment> alone(TensorInfo model) {
        boolean alone =
                options.amount() instanceof Amount.Density
                        && options.scope() == SparsifyOptions.Scope.tensor;
        var unmeasured = new Estimator(model, null);
        return alone
                ? each(List.of(unmeasured), options.amount()).stream().findFirst()
                : Optional.empty();
    }

    private static List<Estimator> unmeasured(OpenPair model) {
        return model.pairs().stream().map(pair -> new Estimator(pair.model(), null)).toList();
    }

    private boolean needsStatistics() {
        return switch (options.amount()) {
            case Amount.Density _, Amount.Count _ ->
                    options.scope() == SparsifyOptions.Scope.energy;
            case Amount.Blocks _ -> false;
            case Amount.Bytes _, Amount.Step _, Amount.Noise _ -> true;
        };
    }

    private List<List<Treatment>> treatments(
            List<OpenPair> models,
            List<List<Estimator>> estimators,
            String baseSource,
            Workers workers,
            Progress progress)
            throws IOException {
        return options.amount() instanceof Amount.Bytes(long total)
                ? fitted(models, estimators, total, baseSource, workers, progress)
                : all(models, estimators, options.amount(), workers, progress);
    }

    private List<List<Treatment>> all(
            List<OpenPair> models,
            List<List<Estimator>> estimators,
            Amount amount,
            Workers workers,
            Progress progress)
            throws IOException {
        List<List<Treatment>> treatments = new ArrayList<>();
        for (int m = 0; m < models.size(); m++) {
            List<Estimator> model = estimators.get(m);
            treatments.add(
                    isOverAll(amount)
                            ? overAll(models.get(m).pairs(), model, amount, workers, progress)
                            : each(model, amount));
        }
        return treatments;
    }

    /**
     * What comes closest to {@code total} bytes and is not above: estimates first, then their error
     * as a trial finds it is given back to them.
     */
    private List<List<Treatment>> fitted(
            List<OpenPair> models,
            List<List<Estimator>> estimators,
            long total,
            String baseSource,
            Workers workers,
            Progress progress)
            throws IOException {
        double fixed =
                models.stream()
                        .mapToDouble(m -> fixedBytes(m.wholeBytes(), m.pairs().size()))
                        .sum();
        var trial = new TrialSize(models, estimators, options, baseSource, workers);
        double aim = total * (1 - (trial.isExact() ? LEFT_EXACT : LEFT_SAMPLED));
        double room = aim - fixed;
        List<List<Treatment>> best = List.of();
        long most = 0;
        long least = Long.MAX_VALUE;
        double under = 0;
        double over = 2 * Math.max(room, 1);
        for (int round = 0; round < ROUNDS && Math.abs(most - aim) > CLOSE * total; round++) {
            Amount amount = fit(estimators, room, Optional.of(workers));
            List<List<Treatment>> treatments = all(models, estimators, amount, workers, progress);
            long bytes = trial.bytes(treatments);
            least = Math.min(least, bytes);
            if (bytes > most && bytes <= total) {
                most = bytes;
                best = treatments;
            }
            if (bytes <= total) {
                under = Math.max(under, room);
            } else {
                over = Math.min(over, room);
            }
            room = expectedBytes(estimators, amount, Optional.of(workers)) + aim - bytes;
            room = room > under && room < over ? room : (under + over) / 2;
        }
        if (best.isEmpty()) {
            throw tooFew(total, least);
        }
        return best;
    }

    private static ConversionException tooFew(long total, double least) {
        return new ConversionException.UnusableValues(
                "%d bytes are too few: the least that holds these models takes %d"
                        .formatted(total, Math.round(least)),
                "give a larger --size");
    }

    /**
     * The amount that was asked for; of a number of bytes, what fits into it by estimates alone.
     */
    Amount amount(List<List<Estimator>> estimators, double fixed) throws IOException {
        if (!(options.amount() instanceof Amount.Bytes(long total))) {
            return options.amount();
        }
        double room = total * (1 - LEFT_SAMPLED) - fixed;
        Amount amount = fit(estimators, room, Optional.empty());
        double bytes = expectedBytes(estimators, amount, Optional.empty());
        if (bytes > room) {
            throw tooFew(total, bytes + fixed);
        }
        return amount;
    }

    private boolean isAllocated() {
        return options.amount() instanceof Amount.Noise
                || options.amount() instanceof Amount.Bytes && options.select().rounds();
    }

    private List<List<Estimator>> statistics(
            List<OpenPair> models, Workers workers, Progress progress) throws IOException {
        List<TensorPair> all = models.stream().flatMap(m -> m.pairs().stream()).toList();
        progress.phase("measure %d residuals".formatted(all.size()), TensorPair.bytes(all));
        List<Estimator> flat =
                workers.map(
                        all,
                        pair -> {
                            var estimator =
                                    new Estimator(pair.model(), ResidualStatistics.of(pair));
                            if (isAllocated()) {
                                NoiseAllocation.prepare(estimator, options);
                            }
                            progress.advance(pair.bytes());
                            return estimator;
                        });
        List<List<Estimator>> byModel = new ArrayList<>();
        int at = 0;
        for (OpenPair model : models) {
            byModel.add(flat.subList(at, at + model.pairs().size()));
            at += model.pairs().size();
        }
        return byModel;
    }

    private List<Planned> planned(List<Estimator> model, List<Treatment> treatments) {
        return IntStream.range(0, model.size())
                .mapToObj(i ->
                        new Planned(treatments.get(i), model.get(i).of(treatments.get(i), options)))
                .toList();
    }

    private boolean isOverAll(Amount amount) {
        return options.select() == SparsifyOptions.Select.magnitude
                && options.scope() == SparsifyOptions.Scope.global
                && !(amount instanceof Amount.Noise);
    }

    /** Exact global selection; tensors with a density of their own stay out of it. */
    private List<Treatment> overAll(
            List<TensorPair> pairs,
            List<Estimator> model,
            Amount amount,
            Workers workers,
            Progress progress)
            throws IOException {
        List<Integer> pool =
                IntStream.range(0, pairs.size())
                        .filter(i -> override(model.get(i)).isEmpty())
                        .boxed()
                        .toList();
        List<TensorPair> pooled = pool.stream().map(pairs::get).toList();
        long elements = pooled.stream().mapToLong(TensorPair::elements).sum();
        List<Threshold> thresholds =
                new TopEntries(pooled, workers, progress).all(share(amount, elements));
        List<Treatment> treatments = new ArrayList<>();
        int next = 0;
        for (int i = 0; i < pairs.size(); i++) {
            treatments.add(
                    next < pool.size() && pool.get(next) == i
                            ? new Treatment.Above(thresholds.get(next++))
                            : overridden(model.get(i)));
        }
        return treatments;
    }

    /**
     * As {@link #treatments}, from statistics alone: a global threshold is exact to the width of a
     * bin.
     */
    List<Treatment> expected(List<Estimator> model, Amount amount) {
        if (!isOverAll(amount)) {
            return each(model, amount);
        }
        List<Estimator> pool = model.stream().filter(e -> override(e).isEmpty()).toList();
        long kept = share(amount, pool.stream().mapToLong(e -> e.statistics().elements()).sum());
        int low = 0;
        int high = Float.floatToRawIntBits(Float.MAX_VALUE);
        while (high - low > 1) {
            int middle = (low + high) >>> 1;
            double above = 0;
            for (Estimator estimator : pool) {
                above += estimator.statistics().above(Float.intBitsToFloat(middle));
            }
            if (above >= kept) {
                low = middle;
            } else {
                high = middle;
            }
        }
        var treatment = new Treatment.Above(new Threshold(low, 0));
        return model.stream().map(e -> overridden(e, () -> treatment)).toList();
    }

    private static long share(Amount amount, long all) {
        return switch (amount) {
            case Amount.Density(double share) ->
                    Math.min(all, (long) Math.floor(share * all + 0.5));
            case Amount.Count(long entries) -> Math.min(all, entries);
            default -> throw new IllegalStateException(amount.toString());
        };
    }

    private List<Treatment> each(List<Estimator> model, Amount amount) {
        if (amount instanceof Amount.Noise(double level)) {
            return allocations
                    .computeIfAbsent(model, m -> NoiseAllocation.of(m, options))
                    .atLevel(level)
                    .stream()
                    .map(this::orOverride)
                    .map(treatment -> finer == 1 ? treatment : finer(treatment))
                    .toList();
        }
        long all = model.stream().mapToLong(Estimator::elements).sum();
        double meanRms =
                options.scope() != SparsifyOptions.Scope.energy
                        ? 0
                        : model.stream().mapToDouble(e -> e.statistics().rms() * e.elements()).sum()
                                / all;
        return model.stream().map(e -> overridden(e, () -> one(e, amount, all, meanRms))).toList();
    }

    private Treatment finer(Treatment treatment) {
        return switch (treatment) {
            case Treatment.Dithered(double step, double share) ->
                    new Treatment.Dithered(
                            step / Math.max(1, share * finer), Math.min(1, share * finer));
            case Treatment.Stochastic(double step) -> new Treatment.Stochastic(step / finer);
            default -> treatment;
        };
    }

    private Treatment orOverride(NoiseAllocation.Chosen chosen) {
        return overridden(chosen.estimator(), chosen::treatment);
    }

    private Treatment one(Estimator e, Amount amount, long all, double meanRms) {
        long n = e.elements();
        return switch (amount) {
            case Amount.Blocks(int keep, int of) -> new Treatment.Blocks(keep, of);
            case Amount.Step(double rms) ->
                    options.select() == SparsifyOptions.Select.dither
                            ? new Treatment.Dithered(rms * e.statistics().rms(), 1)
                            : new Treatment.Stochastic(rms * e.statistics().rms());
            case Amount.Density(double density)
                    when options.select() == SparsifyOptions.Select.random ->
                    new Treatment.Drawn(density);
            case Amount.Density _, Amount.Count _ -> {
                double weight =
                        options.scope() == SparsifyOptions.Scope.energy && meanRms > 0
                                ? e.statistics().rms() / meanRms
                                : 1;
                double kept =
                        amount instanceof Amount.Density(double d)
                                ? d * n
                                : ((Amount.Count) amount).entries() * ((double) n / all);
                long k = (long) Math.floor(weight * kept + 0.5);
                boolean never = options.scope() == SparsifyOptions.Scope.energy;
                yield new Treatment.Largest(Math.min(n, never ? k : Math.max(1, k)));
            }
            case Amount.Bytes _, Amount.Noise _ ->
                    throw new IllegalStateException(amount.toString());
        };
    }

    private Optional<SparsifyOptions.Override> override(Estimator e) {
        return options.overrides().stream().filter(o -> o.matches(e.info().name())).findFirst();
    }

    private Treatment overridden(Estimator e) {
        return overridden(e, Treatment.Nothing::new);
    }

    private Treatment overridden(Estimator e, java.util.function.Supplier<Treatment> otherwise) {
        Optional<SparsifyOptions.Override> override = override(e);
        if (override.isEmpty()) {
            return otherwise.get();
        }
        double density = override.get().density();
        long n = e.elements();
        return density == 0
                ? new Treatment.Nothing()
                : new Treatment.Largest(
                        Math.min(n, Math.max(1, (long) Math.floor(density * n + 0.5))));
    }

    /**
     * The largest amount whose expected bytes, over all models, stay within {@code room}; the least
     * there is if none does.
     */
    private Amount fit(List<List<Estimator>> estimators, double room, Optional<Workers> workers)
            throws IOException {
        finer = 1;
        boolean rounds = options.select().rounds();
        DoubleFunction<Amount> amount =
                rounds
                        ? x -> new Amount.Noise(Math.exp(-x))
                        : x -> new Amount.Density(Math.exp(Math.min(0, x)));
        double low = -25;
        double high = rounds ? 25 : 0;
        for (int i = 0; i < 40; i++) {
            double middle = (low + high) / 2;
            if (expectedBytes(estimators, amount.apply(middle), workers) <= room) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Amount fitting = amount.apply(low);
        if (rounds) {
            double least = 1;
            double most = FINEST;
            for (int i = 0; i < 30; i++) {
                finer = (least + most) / 2;
                if (expectedBytes(estimators, fitting, workers) <= room) {
                    least = finer;
                } else {
                    most = finer;
                }
            }
            finer = least;
        }
        return fitting;
    }

    /** What a delta takes beside coded tensors. */
    static double fixedBytes(long wholeBytes, int tensors) {
        return wholeBytes + 1024.0 + (double) DIRECTORY_BYTES * tensors;
    }

    /** Added in the order of tensors, whoever estimates them. */
    private double expectedBytes(
            List<List<Estimator>> estimators, Amount amount, Optional<Workers> workers)
            throws IOException {
        double bytes = 0;
        for (List<Estimator> model : estimators) {
            List<Treatment> treatments = expected(model, amount);
            double[] each = new double[model.size()];
            Workers.Work<Integer, Integer> some =
                    first -> {
                        int end = Math.min(first + TOGETHER, each.length);
                        for (int i = first; i < end; i++) {
                            each[i] = model.get(i).of(treatments.get(i), options).bytes();
                        }
                        return end;
                    };
            List<Integer> firsts =
                    IntStream.iterate(0, i -> i < each.length, i -> i + TOGETHER).boxed().toList();
            if (workers.isPresent()) {
                workers.get().map(firsts, some);
            } else {
                for (int first : firsts) {
                    some.run(first);
                }
            }
            for (double one : each) {
                bytes += one;
            }
        }
        return bytes;
    }
}
