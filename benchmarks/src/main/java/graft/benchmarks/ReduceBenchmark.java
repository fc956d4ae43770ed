package graft.benchmarks;

import graft.convert.linalg.Kernel;
import graft.convert.linalg.Kernels;
import graft.convert.lowrank.Factor;
import graft.convert.lowrank.ModuleSpectrum;
import graft.convert.lowrank.Reduced;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * One module of a 7B model's attention, 4096×64 · 64×4096, cut to rank 16: from the bytes of both
 * factors to the bytes of the new ones, error figures included. One thread.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(2)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class ReduceBenchmark {
    private static final int SIDE = 4096;
    private static final int RANK = 64;
    private static final int KEPT = 16;

    /** Linear algebra used. */
    @Param({"openblas", "ejml"})
    public String kernel;

    /** Type of both factors, in and out. */
    @Param({"BF16", "F32"})
    public String dtype;

    private Arena arena;
    private Kernel chosen;
    private DType type;
    private Factor b;
    private Factor a;
    private Factor newB;
    private Factor newA;

    @Setup
    @SuppressWarnings("MustBeClosedChecker") // closed by tearDown
    public void setUp() {
        arena = Arena.ofConfined();
        chosen = Kernels.select(Kernels.Choice.valueOf(kernel));
        type = DType.valueOf(dtype);
        var random = new Random(1);
        b = gaussian(random, SIDE, RANK);
        a = gaussian(random, RANK, SIDE);
        newB = empty(SIDE, KEPT);
        newA = empty(KEPT, SIDE);
    }

    private Factor empty(int rows, int columns) {
        long bytes = (long) rows * columns * type.bytes();
        return new Factor(type, arena.allocate(bytes, 64), rows, columns);
    }

    private Factor gaussian(Random random, int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        MemorySegment bytes = arena.allocate((long) values.length * type.bytes(), 64);
        Elements.narrow(type, values, 0, bytes, 0, values.length);
        return new Factor(type, bytes, rows, columns);
    }

    @TearDown
    public void tearDown() {
        arena.close();
    }

    /** Both passes. */
    @Benchmark
    public Reduced reduce() {
        return ModuleSpectrum.of(chosen, b, a, 0).reduce(KEPT, newB, newA);
    }
}
