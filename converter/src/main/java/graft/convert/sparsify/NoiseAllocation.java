package graft.convert.sparsify;

import graft.convert.select.ResidualStatistics;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.DoubleStream;

/**
 * Shares bits out over tensors so that a given noise on the weights costs as few bytes as possible,
 * with no data but the weights themselves: reverse water-filling over a few treatments of each
 * tensor.
 *
 * <p>What is stored is the residual plus noise that is independent of it, so nothing is lost along
 * the residual and the noise alone hurts. Its harm is counted as Σ κ · ‖û − u‖² / ‖θ‖², relative to
 * the weights it sits on, since layers normalise what they put out. κ depends on the part a tensor
 * plays: {@link #LOOKED_UP} rows go into the model one at a time, with nothing that averages; a
 * matrix sums over a whole row of activations that lie in few directions. Both were measured by the
 * divergence that equal relative noise causes in trained models (docs/benchmarks.md). Dropping a
 * residual loses what was learnt there, which hurts {@link #SIGNAL} times as much as noise of its
 * size; not so for vectors, which normalisation mostly absorbs ({@link #DROPPED_VECTOR}), unless
 * training moved little else.
 */
final class NoiseAllocation {
    static final double LOOKED_UP = 10;
    static final double SIGNAL = 200;
    static final double DROPPED_VECTOR = 0.1;

    /** Share of a residual's energy above which vectors are what was trained. */
    private static final double MOSTLY_VECTORS = 0.1;

    private static final Pattern EMBEDDING =
            Pattern.compile(
                    "(^|.*[._])(\\w*embed\\w*|wte|wpe|shared)\\.\\w+(\\.weight)?|.*embedding.*");
    private static final double[] STEPS = {0.12, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5};
    private static final double LEAST_SHARE = 1.0 / 2048;
    private static final double FINEST = 0.12;
    private static final double COARSEST = 256;
    private static final double RATIO = Math.pow(2, 0.25);

    /** Relative; a million times what rounding does. */
    private static final double SLACK = 1e-9;

    private final List<Choices> candidates;

    private NoiseAllocation(List<Choices> candidates) {
        this.candidates = candidates;
    }

    /** How a tensor is stored, at what cost and harm. */
    record Chosen(Estimator estimator, Treatment treatment, double bytes, double harm) {}

    /** Works out the choices for the tensors of one model. */
    static NoiseAllocation of(List<Estimator> model, SparsifyOptions options) {
        double dropped = vectorShare(model) < MOSTLY_VECTORS ? DROPPED_VECTOR : SIGNAL;
        return new NoiseAllocation(
                model.stream()
                        .map(e -> Choices.of(outer(candidates(e, options, dropped))))
                        .toList());
    }

    /**
     * The cheapest choice per tensor, in their order.
     *
     * @param level of Σ κ‖û − u‖²/‖θ‖² over the tensors
     */
    List<Chosen> atLevel(double level) {
        double low = -60; // logarithm of bytes per harm
        double high = 60;
        double[] harms = new double[candidates.size()];
        for (int i = 0; i < 60; i++) {
            double price = (low + high) / 2;
            double perHarm = Math.exp(price);
            for (int tensor = 0; tensor < harms.length; tensor++) {
                Choices choices = candidates.get(tensor);
                harms[tensor] = choices.harms[choices.cheapest(perHarm)];
            }
            if (DoubleStream.of(harms).sum() <= level) {
                high = price;
            } else {
                low = price;
            }
        }
        double price = Math.exp(high);
        return candidates.stream()
                .map(choices -> choices.all.get(choices.cheapest(price)))
                .toList();
    }

    /** Of one tensor, with what decides between them side by side: many a price is tried. */
    record Choices(List<Chosen> all, double[] bytes, double[] harms) {
        static Choices of(List<Chosen> all) {
            return new Choices(
                    all,
                    all.stream().mapToDouble(Chosen::bytes).toArray(),
                    all.stream().mapToDouble(Chosen::harm).toArray());
        }

        /** The first of the cheapest. */
        int cheapest(double price) {
            int best = 0;
            double least = bytes[0] + price * harms[0];
            for (int i = 1; i < bytes.length; i++) {
                double cost = bytes[i] + price * harms[i];
                if (cost < least) {
                    best = i;
                    least = cost;
                }
            }
            return best;
        }
    }

    /** Estimates of a tensor what {@link #of} asks for; any thread may do so ahead. */
    static void prepare(Estimator estimator, SparsifyOptions options) {
        double rms = estimator.statistics().rms();
        if (options.select() == SparsifyOptions.Select.dither && rms > 0) {
            for (double step : STEPS) {
                estimator.of(new Treatment.Dithered(step * rms, 1), options);
            }
        }
    }

    private static double vectorShare(List<Estimator> model) {
        double vectors = 0;
        double all = 0;
        for (Estimator estimator : model) {
            all += estimator.statistics().energy();
            vectors += isVector(estimator) ? estimator.statistics().energy() : 0;
        }
        return all == 0 ? 0 : vectors / all;
    }

    private static boolean isVector(Estimator estimator) {
        return estimator.info().shape().rank() < 2;
    }

    private static List<Chosen> candidates(
            Estimator estimator, SparsifyOptions options, double droppedVector) {
        ResidualStatistics statistics = estimator.statistics();
        double weight = weight(estimator);
        double lost = isVector(estimator) ? droppedVector : weight * SIGNAL;
        List<Chosen> choices = new ArrayList<>();
        choices.add(chosen(estimator, new Treatment.Nothing(), options, lost, 0));
        double rms = statistics.rms();
        if (!(rms > 0)) {
            return choices;
        }
        if (options.select() == SparsifyOptions.Select.dither) {
            for (double step : STEPS) {
                Estimate all = estimator.of(new Treatment.Dithered(step * rms, 1), options);
                for (double share = 1; share > LEAST_SHARE; share /= RATIO) {
                    Estimate drawn = all.drawn(share);
                    choices.add(
                            new Chosen(
                                    estimator,
                                    new Treatment.Dithered(step * rms, share),
                                    drawn.bytes() + TreatmentPlan.DIRECTORY_BYTES,
                                    weight * drawn.relativeNoise()));
                }
            }
        } else {
            for (double step = FINEST; step <= COARSEST; step *= RATIO) {
                var rounded = new Treatment.Stochastic(step * rms);
                choices.add(
                        chosen(estimator, rounded, options, weight, TreatmentPlan.DIRECTORY_BYTES));
            }
        }
        return choices;
    }

    /**
     * Those that can be the cheapest at some price, of hundreds: corners of the hull of bytes over
     * harm, and what rounding might take for one. In their order, which decides between equals.
     */
    static List<Chosen> outer(List<Chosen> choices) {
        List<Chosen> sorted = new ArrayList<>(choices);
        sorted.sort(Comparator.comparingDouble(Chosen::harm).thenComparing(Chosen::bytes));
        List<Chosen> hull = new ArrayList<>();
        for (Chosen next : sorted) {
            while (hull.size() > 1 && isAbove(hull.get(hull.size() - 2), hull.getLast(), next)) {
                hull.removeLast();
            }
            if (hull.isEmpty() || next.bytes() <= hull.getLast().bytes() * (1 + SLACK)) {
                hull.add(next);
            }
        }
        Set<Chosen> kept = Collections.newSetFromMap(new IdentityHashMap<>());
        kept.addAll(hull);
        return choices.stream().filter(kept::contains).toList();
    }

    /** Whether a point lies clearly above the line between its neighbours. */
    private static boolean isAbove(Chosen left, Chosen middle, Chosen right) {
        double width = right.harm() - left.harm();
        double straight =
                left.bytes() * (right.harm() - middle.harm())
                        + right.bytes() * (middle.harm() - left.harm());
        return middle.bytes() * width > straight * (1 + SLACK);
    }

    private static Chosen chosen(
            Estimator estimator,
            Treatment treatment,
            SparsifyOptions options,
            double weight,
            double fixed) {
        Estimate estimate = estimator.of(treatment, options);
        return new Chosen(
                estimator, treatment, estimate.bytes() + fixed, weight * estimate.relativeNoise());
    }

    /** κ of a tensor. */
    private static double weight(Estimator estimator) {
        return isEmbedding(estimator.info().name()) && !isVector(estimator) ? LOOKED_UP : 1;
    }

    /** Whether a tensor's rows are looked up, by its name. */
    static boolean isEmbedding(String name) {
        return EMBEDDING.matcher(name).matches();
    }
}
