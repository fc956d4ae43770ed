package graft.convert.select;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import graft.convert.plan.Progress;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;
import graft.convert.testing.Checkpoints;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** What a sample suggests may be wrong; what is selected may not. */
class LargestEntriesTest {
    @TempDir Path folder;

    /** How residuals are spread; the sample looks at a part of tensors above 65536 elements. */
    enum Spread {
        EVEN,
        /** The last eighth of the tensor, which the last run hardly reaches, holds the largest. */
        AT_THE_END,
        MOSTLY_ZERO,
        ALL_EQUAL,
        HEAVY_TAILS;

        float residual(Random random, int i, int n) {
            float x = (float) random.nextGaussian();
            return switch (this) {
                case EVEN -> x;
                case AT_THE_END -> i > n - n / 64 ? 1000 + x : x / 1000;
                case MOSTLY_ZERO -> random.nextInt(1000) == 0 ? x : 0;
                case ALL_EQUAL -> i % 2 == 0 ? 0.5f : -0.5f;
                case HEAVY_TAILS -> (float) Math.exp(4 * x);
            };
        }
    }

    private record Entry(int tensor, int index, float u) {}

    private static final Comparator<Entry> LARGEST_FIRST =
            Comparator.<Entry>comparingDouble(e -> -Math.abs(e.u()))
                    .thenComparing(Entry::tensor)
                    .thenComparing(Entry::index);

    @ParameterizedTest(name = "{0}, {1} elements, {2} kept")
    @CsvSource({
        "EVEN,200000,10000",
        "EVEN,200000,1",
        "EVEN,1,1",
        "EVEN,4097,4097",
        "AT_THE_END,300000,3000",
        "AT_THE_END,300000,30000",
        "MOSTLY_ZERO,200000,10000",
        "MOSTLY_ZERO,200000,100",
        "MOSTLY_ZERO,1000,500",
        "ALL_EQUAL,200000,777",
        "ALL_EQUAL,200000,200000",
        "HEAVY_TAILS,200000,10000",
        "HEAVY_TAILS,70000,69999"
    })
    void oneTensorIsSelectedAsASortWould(Spread spread, int n, int k) throws IOException {
        try (var models = models(spread, n)) {
            TensorPair pair = models.pairs().getFirst();
            List<Entry> sorted = sorted(List.of(pair));
            List<Entry> kept = new ArrayList<>(sorted.subList(0, k));
            List<Entry> rest = sorted.subList(k, n);
            kept.removeIf(entry -> entry.u() == 0);
            kept.sort(Comparator.comparing(Entry::index));
            try (LargestEntries entries = LargestEntries.of(pair, k).orElseThrow()) {
                entries.keep(entries.threshold(k));
                assertThat(held(entries)).isEqualTo(kept);
                assertThat(entries.count()).isEqualTo(kept.size());
                double energy = rest.stream().mapToDouble(e -> (double) e.u() * e.u()).sum();
                assertThat(entries.restEnergy()).isCloseTo(energy, within(1e-12 * energy));
                assertThat(entries.restLargest())
                        .isEqualTo(rest.stream().mapToDouble(e -> Math.abs(e.u())).max().orElse(0));
            }
            assertThat(heldAbove(pair, Threshold.of(pair, k))).isEqualTo(kept);
        }
    }

    /** Differences of float32 that float32 cannot hold: a verifier derives them in float64. */
    @ParameterizedTest(name = "{0} elements, {1} asked for, narrowed: {2}")
    @CsvSource({"1000,50,true", "1000,50,false", "200000,10000,true", "200000,10000,false"})
    void largestOfTheRestIsNotRounded(int n, int k, boolean narrowed) throws IOException {
        var random = new Random(20261126);
        float[] base = new float[n];
        float[] model = new float[n];
        for (int i = 0; i < n; i++) {
            base[i] = (float) random.nextGaussian() / 1000;
            model[i] = (float) random.nextGaussian();
        }
        try (var models = models(Map.of("t", base), Map.of("t", model));
                LargestEntries entries =
                        LargestEntries.of(models.pairs().getFirst(), k).orElseThrow()) {
            if (narrowed) {
                entries.keep(entries.threshold(k));
            }
            boolean[] isHeld = new boolean[n];
            held(entries).forEach(entry -> isHeld[entry.index()] = true);
            double largest =
                    IntStream.range(0, n)
                            .filter(i -> !isHeld[i])
                            .mapToDouble(i -> Math.abs((double) model[i] - base[i]))
                            .max()
                            .orElseThrow();
            assertThat(largest).isNotEqualTo((float) largest);
            assertThat(entries.restLargest()).isEqualTo(largest);
        }
    }

    @ParameterizedTest(name = "{0} elements")
    @CsvSource({"1000", "200000"})
    void whereNothingIsKeptTheLargestIsOfTheRest(int n) throws IOException {
        try (var models = models(Spread.EVEN, n)) {
            TensorPair pair = models.pairs().getFirst();
            try (LargestEntries entries = LargestEntries.of(pair, 0).orElseThrow()) {
                entries.keep(entries.threshold(0));
                assertThat(held(entries)).isEmpty();
                assertThat(entries.restLargest())
                        .isEqualTo(Math.abs(sorted(List.of(pair)).getFirst().u()));
            }
        }
    }

    /** Samples are added up in blocks of tensors: several of them, the last not full. */
    @Test
    void thousandsOfTinyTensorsAreSelectedAsASortWould() throws IOException {
        int[] sizes = new int[3100];
        Arrays.fill(sizes, 3);
        try (var models = models(Spread.EVEN, sizes);
                var workers = new Workers(2)) {
            List<Threshold> thresholds =
                    new TopEntries(models.pairs(), workers, Progress.NONE).all(500);
            float last = Math.abs(sorted(models.pairs()).get(499).u());
            assertThat(thresholds)
                    .hasSize(sizes.length)
                    .allSatisfy(threshold -> assertThat(threshold.magnitude()).isEqualTo(last));
        }
    }

    @ParameterizedTest(name = "{0}, {1} elements each, {2} kept")
    @CsvSource({
        "EVEN,150000,30000",
        "EVEN,1000,7",
        "AT_THE_END,150000,9000",
        "AT_THE_END,150000,7",
        "MOSTLY_ZERO,150000,30000",
        "ALL_EQUAL,100000,150001",
        "HEAVY_TAILS,150000,200",
        "HEAVY_TAILS,150000,299999"
    })
    void severalTensorsAreSelectedAsASortWould(Spread spread, int n, int k) throws IOException {
        try (var models = models(spread, n, n);
                var workers = new Workers(2)) {
            List<Threshold> thresholds =
                    new TopEntries(models.pairs(), workers, Progress.NONE).all(k);
            List<Entry> sorted = sorted(models.pairs()).subList(0, k);
            for (int t = 0; t < 2; t++) {
                int tensor = t;
                List<Integer> kept =
                        sorted.stream()
                                .filter(e -> e.tensor() == tensor && e.u() != 0)
                                .map(Entry::index)
                                .sorted()
                                .toList();
                assertThat(heldAbove(models.pairs().get(t), thresholds.get(t)))
                        .extracting(Entry::index)
                        .isEqualTo(kept);
            }
        }
    }

    private static List<Entry> heldAbove(TensorPair pair, Threshold threshold) throws IOException {
        try (LargestEntries entries = LargestEntries.above(pair, threshold).orElseThrow()) {
            entries.keep(threshold);
            return held(entries);
        }
    }

    private static List<Entry> held(LargestEntries entries) throws IOException {
        List<Entry> held = new ArrayList<>();
        entries.walk(some ->
                IntStream.range(0, some.count())
                        .forEach(j ->
                                held.add(
                                        new Entry(
                                                0,
                                                some.indices()[j],
                                                some.models()[j] - some.bases()[j]))));
        return held;
    }

    private static List<Entry> sorted(List<TensorPair> pairs) throws IOException {
        List<Entry> all = new ArrayList<>();
        for (int t = 0; t < pairs.size(); t++) {
            int tensor = t;
            pairs.get(t)
                    .walk((first, base, model, count) -> {
                        for (int i = 0; i < count; i++) {
                            all.add(new Entry(tensor, (int) first + i, model[i] - base[i]));
                        }
                    });
        }
        all.sort(LARGEST_FIRST);
        return all;
    }

    private record Models(Checkpoint base, Checkpoint model) implements AutoCloseable {
        List<TensorPair> pairs() {
            return base.tensors().stream()
                    .map(info -> TensorPair.of(base, model, info.name()))
                    .toList();
        }

        @Override
        public void close() {
            base.close();
            model.close();
        }
    }

    private Models models(Spread spread, int... sizes) throws IOException {
        var random = new Random(20261125);
        Map<String, float[]> base = new TreeMap<>();
        Map<String, float[]> model = new TreeMap<>();
        for (int t = 0; t < sizes.length; t++) {
            float[] to = new float[sizes[t]];
            for (int i = 0; i < to.length; i++) {
                to[i] = spread.residual(random, i, to.length);
            }
            base.put("t" + t, new float[sizes[t]]);
            model.put("t" + t, to);
        }
        return models(base, model);
    }

    private Models models(Map<String, float[]> base, Map<String, float[]> model)
            throws IOException {
        return new Models(
                Checkpoint.open(
                        Checkpoints.write(folder.resolve("base.safetensors"), DType.F32, base)),
                Checkpoint.open(
                        Checkpoints.write(folder.resolve("model.safetensors"), DType.F32, model)));
    }
}
