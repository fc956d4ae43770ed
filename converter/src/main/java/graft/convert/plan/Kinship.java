package graft.convert.plan;

import graft.convert.ConversionException;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * Whether two checkpoints of the same names and shapes come from one pretraining. Training moves a
 * matrix by a part of its length; matrices of two pretrainings are as good as perpendicular. So the
 * cosine of every matrix in one and in the other tells: above 0.9 for the fine-tunes of the trained
 * family, 0.83 in the middle between two encoders that long trainings made of one; within 0.01 of
 * zero between pretrainings (docs/benchmarks.md). Vectors take no part: norms are close to one in
 * all models.
 *
 * <p>Sampled: {@value #BLOCKS} blocks of {@value #BLOCK} entries of every matrix, less than one in
 * a hundred of a large model, so that it is known before any work. A value; from any thread.
 *
 * @param matrices that were compared
 * @param apart those of them that point elsewhere
 * @param cosine of the middle one
 * @param distance ‖θ_t − θ₀‖/‖θ₀‖ over all
 * @param unrelated whether more than half of the matrices, with more than half of the weights,
 *     point elsewhere; a new vocabulary or head alone is no reason
 */
public record Kinship(int matrices, int apart, double cosine, double distance, boolean unrelated) {
    /** Below it a matrix points elsewhere; measured, see above. */
    private static final double LEAST_COSINE = 0.25;

    private static final int BLOCKS = 16;
    private static final int BLOCK = 1024;

    /** Entries below which chance alone can turn a cosine around. */
    private static final int LEAST_ENTRIES = 256;

    private record Compared(long elements, double cosine, double baseEnergy, double energy) {}

    /**
     * Refuses a model that is no fine-tune of the base.
     *
     * @param pairs tensors of the base and the model
     * @param source what the user called the model
     * @param allowed whether to go on all the same
     * @return when allowed, what would have been the refusal; empty if there is no doubt
     * @throws ConversionException.BaseMismatch if they are unrelated
     */
    public static List<String> check(
            List<TensorPair> pairs, String source, String baseSource, boolean allowed)
            throws ConversionException {
        Kinship found = of(pairs);
        if (!found.unrelated) {
            return List.of();
        }
        String fits =
                "%s is no fine-tune of %s: names and shapes fit, but %d of %d matrices point elsewhere"
                        .formatted(source, baseSource, found.apart, found.matrices);
        String figures =
                String.format(
                        Locale.ROOT,
                        "median cosine %.3f, ‖θ_t − θ₀‖ is %.2f of ‖θ₀‖",
                        found.cosine,
                        found.distance);
        String message = "%s (%s)".formatted(fits, figures);
        if (allowed) {
            return List.of(message);
        }
        throw new ConversionException.BaseMismatch(
                message,
                "give the base that it was trained from, or go on with --allow-unrelated-base");
    }

    /** Compares the matrices of two checkpoints. */
    public static Kinship of(List<TensorPair> pairs) {
        List<Compared> all = new ArrayList<>();
        for (TensorPair pair : pairs) {
            if (pair.base().shape().rank() >= 2 && pair.elements() >= LEAST_ENTRIES) {
                Compared compared = compare(pair);
                if (compared.cosine >= -2) { // not a number where one is zero or holds NaN
                    all.add(compared);
                }
            }
        }
        all.sort(Comparator.comparingDouble(Compared::cosine));
        double median = all.isEmpty() ? 1 : all.get(all.size() / 2).cosine;
        int apart = 0;
        long apartElements = 0;
        long elements = 0;
        for (Compared compared : all) {
            boolean elsewhere = compared.cosine < LEAST_COSINE;
            apart += elsewhere ? 1 : 0;
            apartElements += elsewhere ? compared.elements : 0;
            elements += compared.elements;
        }
        double base = all.stream().mapToDouble(Compared::baseEnergy).sum();
        double energy = all.stream().mapToDouble(Compared::energy).sum();
        double distance = base > 0 ? Math.sqrt(energy / base) : 0;
        boolean unrelated = 2 * apart > all.size() && 2 * apartElements > elements;
        return new Kinship(all.size(), apart, median, distance, unrelated);
    }

    private static Compared compare(TensorPair pair) {
        long n = pair.elements();
        MemorySegment baseBytes = pair.baseBytes();
        MemorySegment modelBytes = pair.modelBytes();
        float[] base = new float[BLOCK];
        float[] model = new float[BLOCK];
        double along = 0;
        double baseEnergy = 0;
        double modelEnergy = 0;
        double energy = 0;
        long next = 0;
        for (int block = 0; block < BLOCKS && next < n; block++) {
            long first = Math.max(next, (long) ((double) block / BLOCKS * n));
            int count = (int) Math.min(BLOCK, n - first);
            widen(pair.base(), baseBytes, first, base, count);
            widen(pair.model(), modelBytes, first, model, count);
            for (int i = 0; i < count; i++) {
                double u = (double) model[i] - base[i];
                along += (double) base[i] * model[i];
                baseEnergy += (double) base[i] * base[i];
                modelEnergy += (double) model[i] * model[i];
                energy += u * u;
            }
            next = first + count;
        }
        double scale = (double) n / Math.max(1, Math.min(n, (long) BLOCKS * BLOCK));
        double cosine = along / Math.sqrt(baseEnergy * modelEnergy);
        return new Compared(n, cosine, scale * baseEnergy, scale * energy);
    }

    private static void widen(
            TensorInfo info, MemorySegment bytes, long first, float[] into, int count) {
        Elements.widen(info.dtype(), bytes, first, into, 0, count);
    }
}
