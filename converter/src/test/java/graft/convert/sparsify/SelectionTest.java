package graft.convert.sparsify;

import static graft.convert.sparsify.SparsifyRuns.options;
import static graft.convert.sparsify.SparsifyRuns.run;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.testing.Checkpoints;
import graft.formats.delta.DeltaReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** Which entries are kept. */
class SelectionTest {
    @TempDir Path folder;

    /** The oracle sorts all entries: by magnitude, then tensor name, then index. */
    @ParameterizedTest(name = "{0}, {1} of {2}, seed {3}")
    @CsvSource({
        "global,0.1,BF16,1", "global,0.37,F16,2", "global,0.004,F32,3", "global,1.0,BF16,4",
        "tensor,0.1,BF16,5", "tensor,0.37,F16,6", "tensor,0.004,F32,7", "tensor,1.0,F32,8"
    })
    void selectionEqualsASort(SparsifyOptions.Scope scope, double density, DType type, long seed)
            throws IOException {
        var random = new Random(seed);
        Map<String, float[]> base = new TreeMap<>();
        Map<String, float[]> model = new TreeMap<>();
        for (String name : List.of("b", "a.2", "a.10", "c")) {
            int n = 1 + random.nextInt(70_000);
            base.put(name, coarse(random, n, type));
            model.put(name, coarse(random, n, type)); // coarse values: ties everywhere
        }
        Path theta0 = Checkpoints.write(folder.resolve("base.safetensors"), type, base);
        Path theta = Checkpoints.write(folder.resolve("model.safetensors"), type, model);
        var options = options(scope, density, Values.exact, Gain.none);
        run(theta, theta0, options, 2, folder.resolve("delta"));
        Map<String, List<Long>> kept = oracle(base, model, options);
        try (var delta = DeltaReader.open(folder.resolve("delta"))) {
            for (var tensor : model.entrySet()) {
                String name = tensor.getKey();
                List<Long> positions = new ArrayList<>();
                var entries = delta.entries(delta.find(name).orElseThrow());
                while (entries.next()) {
                    positions.add(entries.index());
                    assertThat(entries.value()).isEqualTo(tensor.getValue()[(int) entries.index()]);
                }
                assertThat(positions).as(name).isEqualTo(kept.get(name));
            }
        }
    }

    private static float[] coarse(Random random, int n, DType type) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = Elements.round(type, Math.round(8 * random.nextGaussian()) / 16f);
        }
        return values;
    }

    private record Entry(String name, long index, float magnitude) {}

    private static Map<String, List<Long>> oracle(
            Map<String, float[]> base, Map<String, float[]> model, SparsifyOptions options) {
        List<Entry> all = new ArrayList<>();
        for (String name : base.keySet()) {
            float[] from = base.getOrDefault(name, new float[0]);
            float[] to = model.getOrDefault(name, new float[0]);
            for (int i = 0; i < from.length; i++) {
                all.add(new Entry(name, i, Math.abs(to[i] - from[i])));
            }
        }
        var order =
                Comparator.comparing(Entry::magnitude)
                        .reversed()
                        .thenComparing(Entry::name)
                        .thenComparing(Entry::index);
        Map<String, List<Long>> kept = new TreeMap<>();
        base.keySet().forEach(name -> kept.put(name, new ArrayList<>()));
        boolean global = options.scope() == SparsifyOptions.Scope.global;
        for (String group : global ? List.of("") : List.copyOf(base.keySet())) {
            List<Entry> pool =
                    all.stream()
                            .filter(e -> global || e.name().equals(group))
                            .sorted(order)
                            .toList();
            double density = ((Amount.Density) options.amount()).share();
            long k = (long) Math.floor(density * pool.size() + 0.5);
            pool.stream()
                    .limit(global ? k : Math.max(1, k))
                    .filter(e -> e.magnitude() > 0) // the base already has the value
                    .forEach(e ->
                            kept.computeIfAbsent(e.name(), _ -> new ArrayList<>()).add(e.index()));
        }
        kept.values().forEach(list -> list.sort(null));
        return kept;
    }
}
