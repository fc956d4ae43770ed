package graft.convert.extract;

import graft.convert.linalg.FloatMatrix;
import graft.convert.linalg.Kernel;
import graft.convert.linalg.Matrix;
import graft.convert.linalg.Scratch;
import graft.convert.lowrank.Block;
import graft.convert.lowrank.Factor;
import graft.convert.lowrank.RankRule;
import graft.convert.lowrank.Spectrum;
import graft.formats.delta.CounterRandom;

import java.io.IOException;
import java.nio.DoubleBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * The largest singular triples of a Δ that is too large to decompose, by block Lanczos.
 *
 * <p><b>Method.</b> From a block of random directions V₁, each pass over Δ computes W = ΔV and ΔᵀW
 * of the newest block, tile by tile; what is new in ΔᵀW is the next block. The basis V then spans a
 * block Krylov space (Musco and Musco, arXiv 1504.05477: the error above the best falls
 * exponentially with the passes), and {@code T = VᵀΔᵀΔV} is known without another pass. Its
 * eigenvalues θ are the squared singular values of ΔV, its eigenvectors E give the factors {@code
 * (W·E)·(V·E)ᵀ}.
 *
 * <p><b>Precision.</b> Products run in float32, as Δ is, which leaves 10⁻⁸ of ‖Δ‖² in doubt. Where
 * less than {@link #DOUBTFUL} of it is left over, or must not be, they run in float64.
 *
 * <p><b>Exactness.</b> {@code (W·E)(V·E)ᵀ = ΔP} for the projection P onto the kept directions, so
 * its squared error is exactly {@code ‖Δ‖² − Σθ}, whether or not the iteration has converged. It
 * has when the gains of the last two passes, gone on with as a geometric series, sum up to less
 * than {@link #ACCURACY} of it.
 *
 * <p>Confined to one thread; lives as long as its scratch. Same input, same bytes out.
 */
final class DeltaSpectrum {
    /**
     * Share of the squared error that further passes are allowed to win: it is extrapolated, and
     * may be half as much again, which keeps the error within a thousandth of the best.
     */
    private static final double ACCURACY = 1.3e-3;

    /** Gains fall by no more than this from pass to pass, whatever the last two say. */
    private static final double FASTEST = 1.0 / 3;

    /** Share of ‖Δ‖² below which float32 cannot tell what is left over. */
    private static final double DOUBTFUL = 1e-5;

    /** σ² below this share of the largest is rounding noise of T. */
    private static final double NOISE = 64 * Math.ulp(1.0);

    private static final int FEWEST = 8;
    private static final int MOST = 32;
    private static final int SPARE_BLOCKS = 8;

    private final Kernel kernel;
    private final DeltaMatrix delta;
    private final boolean precise;
    private final Scratch scratch;
    private final RightVectors v;
    private final List<Matrix> w = new ArrayList<>(); // rows×(vectors of that block) each
    private final double[][] t; // VᵀΔᵀΔV, as far as known
    private double[] theta = {}; // eigenvalues of t, largest first
    private Matrix eigen; // its eigenvectors, smallest first
    private int rank;

    private DeltaSpectrum(
            Kernel kernel,
            DeltaMatrix delta,
            boolean precise,
            int most,
            int block,
            Scratch scratch) {
        this.kernel = kernel;
        this.delta = delta;
        this.precise = precise;
        this.scratch = scratch;
        this.v = new RightVectors(kernel, delta.columns(), most, block, scratch);
        this.t = new double[most][most];
        this.eigen = scratch.matrix(1, 1);
    }

    /**
     * @param name seeds the random start, with {@code seed}
     * @param rule how many triples are wanted
     * @param mostRank no more than so many
     */
    static DeltaSpectrum of(
            Kernel kernel,
            DeltaMatrix delta,
            String name,
            long seed,
            RankRule.PerModule rule,
            int mostRank,
            Scratch scratch)
            throws IOException {
        if (!isStrict(rule)) {
            var spectrum = of(kernel, delta, false, name, seed, rule, mostRank, scratch);
            if (spectrum.tail(spectrum.rank()) > DOUBTFUL * delta.norm2()) {
                return spectrum;
            }
        }
        return of(kernel, delta, true, name, seed, rule, mostRank, scratch);
    }

    private static boolean isStrict(RankRule.PerModule rule) {
        return switch (rule) {
            case RankRule.Fixed _ -> false;
            case RankRule.Lossless() -> true;
            case RankRule.Energy(double kept) -> 1 - kept < DOUBTFUL;
            case RankRule.Tolerance(double error) -> error * error < DOUBTFUL;
        };
    }

    private static DeltaSpectrum of(
            Kernel kernel,
            DeltaMatrix delta,
            boolean precise,
            String name,
            long seed,
            RankRule.PerModule rule,
            int mostRank,
            Scratch scratch)
            throws IOException {
        int side = Math.min(delta.rows(), delta.columns());
        int block = Math.min(side, Math.clamp((mostRank + 1) / 2, FEWEST, MOST));
        int most = (int) Math.min(side, (long) mostRank + SPARE_BLOCKS * block);
        var spectrum = new DeltaSpectrum(kernel, delta, precise, most, block, scratch);
        Matrix start = scratch.matrix(block, delta.columns());
        fill(start, new CounterRandom(name, seed));
        spectrum.iterate(start, rule, mostRank);
        return spectrum;
    }

    /** Numbers of [−1, 1), each drawn by its index. */
    private static void fill(Matrix matrix, CounterRandom random) {
        double[] numbers = new double[matrix.rows() * matrix.columns()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = 2 * random.at(i) - 1;
        }
        matrix.fill(numbers);
    }

    private void iterate(Matrix block, RankRule.PerModule rule, int mostRank) throws IOException {
        int first = 0;
        double[] previous = {};
        double before = 0;
        int added = v.add(block, block.rows());
        while (added > 0) {
            pass(first, added, block);
            decompose(first, added);
            rank = Math.min(mostRank, rule.choose(spectrum()));
            boolean wantsMore = rank == v.count();
            double gain = captured(rank, theta) - captured(rank, previous);
            if (!wantsMore && remaining(before, gain) <= ACCURACY * tail(rank)) {
                return;
            }
            previous = theta;
            before = gain;
            first += added;
            added = v.add(block, added);
        }
    }

    /** What passes to come will gain, if the last two gained so much. */
    private static double remaining(double before, double gain) {
        double ratio = Math.max(FASTEST, gain / before);
        return gain <= 0 ? 0 : ratio < 1 ? gain * ratio / (1 - ratio) : Double.POSITIVE_INFINITY;
    }

    private static double captured(int q, double[] theta) {
        double sum = 0;
        for (int i = Math.min(q, theta.length) - 1; i >= 0; i--) {
            sum += theta[i];
        }
        return sum;
    }

    /** W of the block and, into {@code z}, (ΔᵀW)ᵀ. */
    private void pass(int first, int added, Matrix z) throws IOException {
        Matrix left = scratch.matrix(delta.rows(), added);
        w.add(left);
        if (precise) {
            precisely(v.rows(first, added), left, z.rows(0, added));
            return;
        }
        try (var local = new Scratch()) {
            FloatMatrix right = local.floats(added, delta.columns());
            right.fill(v.rows(first, added));
            FloatMatrix into = local.floats(added, delta.columns());
            FloatMatrix product = local.floats(delta.rows(), added);
            delta.walk(
                    added,
                    (tile, row) -> {
                        FloatMatrix part = product.rows(row, tile.rows());
                        kernel.multiply(false, true, tile, right, 0, part);
                        kernel.multiply(true, false, part, tile, 1, into);
                    });
            product.copyTo(left);
            into.copyTo(z.rows(0, added));
        }
    }

    private void precisely(Matrix right, Matrix left, Matrix z) throws IOException {
        int k = right.rows();
        int columns = delta.columns();
        z.clear();
        try (var local = new Scratch()) {
            Matrix wide = local.matrix(delta.tileRows(), columns);
            delta.walk((tile, row) -> {
                int count = tile.rows();
                tile.copyTo(wide.rows(0, count));
                Matrix part = left.rows(row, count);
                kernel.multiply(false, true, count, k, columns, wide, right, 0, part);
                kernel.multiply(true, false, k, columns, count, part, wide, 1, z);
            });
        }
    }

    /** The new columns of T, and its eigenvalues. */
    private void decompose(int first, int added) {
        int count = v.count();
        Matrix newest = w.getLast();
        int at = 0;
        for (Matrix block : w) {
            try (var local = new Scratch()) {
                int k = block.columns();
                Matrix product = local.matrix(k, added);
                kernel.multiply(true, false, k, added, delta.rows(), block, newest, 0, product);
                for (int i = 0; i < k; i++) {
                    for (int j = 0; j < added; j++) {
                        t[at + i][first + j] = product.get(i, j);
                        t[first + j][at + i] = product.get(i, j);
                    }
                }
                at += k;
            }
        }
        eigen = scratch.matrix(count, count);
        double[] symmetric = new double[count * count];
        for (int i = 0; i < count; i++) {
            for (int j = 0; j < count; j++) {
                symmetric[i * count + j] = (t[i][j] + t[j][i]) / 2;
            }
        }
        eigen.fill(symmetric);
        double[] ascending = kernel.eigenvectors(eigen);
        theta = new double[count];
        for (int i = 0; i < count; i++) {
            theta[i] = Math.max(0, ascending[count - 1 - i]);
        }
    }

    /** Passes over Δ that it took. */
    int passes() {
        return w.size();
    }

    /** How many triples the rule wants. */
    int rank() {
        return rank;
    }

    /** Singular values of the projection, and what it misses. */
    Spectrum spectrum() {
        double[] sigma = new double[theta.length];
        int numericalRank = 0;
        for (int i = 0; i < sigma.length; i++) {
            sigma[i] = Math.sqrt(theta[i]);
            numericalRank += theta[i] > NOISE * theta[0] ? 1 : 0;
        }
        return new Spectrum(sigma, numericalRank, tail(numericalRank));
    }

    /** ‖Δ − its best known approximation of rank q‖². */
    double tail(int q) {
        return Math.max(0, delta.norm2() - captured(q, theta));
    }

    /**
     * Writes factors of {@code q} triples with √σ on both sides: {@code Δ ≈ B·A}, or {@code
     * (B·A)ᵀ}.
     *
     * @param transposed whether Δ's rows are what A reads
     */
    void write(int q, Factor b, Factor a, boolean transposed) {
        int count = theta.length;
        try (var local = new Scratch()) {
            Matrix leftMix = local.matrix(count, q);
            Matrix rightMix = local.matrix(q, count);
            for (int j = 0; j < q; j++) {
                double root = Math.sqrt(Math.sqrt(theta[j]));
                for (int i = 0; i < count; i++) {
                    double component = eigen.get(i, count - 1 - j);
                    leftMix.set(i, j, component / root);
                    rightMix.set(j, i, component * root);
                }
            }
            Matrix left = local.matrix(delta.rows(), q);
            int first = 0;
            for (Matrix block : w) {
                int k = block.columns();
                Matrix mix = leftMix.rows(first, k);
                kernel.multiply(false, false, delta.rows(), q, k, block, mix, 1, left);
                first += k;
            }
            Matrix right = local.matrix(q, delta.columns());
            kernel.multiply(
                    false, false, q, delta.columns(), count, rightMix, v.rows(0, count), 0, right);
            put(left, transposed ? a : b, transposed);
            put(right, transposed ? b : a, transposed);
        }
    }

    private static void put(Matrix from, Factor into, boolean transposed) {
        DoubleBuffer values = from.values();
        double[] wide = new double[into.columns()];
        float[] row = new float[wide.length];
        for (int i = 0; i < into.rows(); i++) {
            if (transposed) {
                for (int j = 0; j < wide.length; j++) {
                    wide[j] = values.get(j * from.columns() + i);
                }
            } else {
                values.get(i * from.columns(), wide);
            }
            for (int j = 0; j < row.length; j++) {
                row[j] = (float) wide[j];
            }
            into.write(new Block(i, 1, 0, row.length), row, row.length);
        }
    }
}
