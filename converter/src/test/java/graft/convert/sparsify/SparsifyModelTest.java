package graft.convert.sparsify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeOptions;
import graft.convert.merge.MergeRequest;
import graft.convert.plan.Progress;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Python;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.delta.DeltaReader;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;

class SparsifyModelTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");

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

    static Stream<SparsifyOptions> waysToNoElements() {
        var magnitude = SparsifyOptions.Select.magnitude;
        var tensor = SparsifyOptions.Scope.tensor;
        return Stream.of(
                new SparsifyOptions(
                        magnitude,
                        tensor,
                        new Amount.Density(0.1),
                        Values.exact,
                        Gain.none,
                        17,
                        List.of(new SparsifyOptions.Override("none", 0.5))),
                sized(tensor, new Amount.Bytes(6000), Values.exact));
    }

    @ParameterizedTest
    @MethodSource("waysToNoElements")
    void tensorsWithoutElementsAreKept(SparsifyOptions options) throws IOException {
        var random = new Random(20261127);
        Map<String, long[]> shapes = Map.of("none", new long[] {0, 8}, "some", new long[] {64, 64});
        float[] values = new float[64 * 64];
        List<Path> files = new ArrayList<>();
        for (String name : List.of("base", "model")) {
            float[] noise = gaussian(random, values.length);
            for (int i = 0; i < values.length; i++) {
                values[i] += name.equals("base") ? noise[i] : noise[i] / 100;
            }
            Map<String, float[]> tensors = Map.of("none", new float[0], "some", values);
            Path file = folder.resolve(name + ".safetensors");
            files.add(Checkpoints.write(file, DType.F32, tensors, shapes));
        }
        run(files.getLast(), files.getFirst(), options, 2, folder.resolve("delta"));
        try (var delta = DeltaReader.open(folder.resolve("delta"))) {
            assertThat(delta.find("none").orElseThrow().count()).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("everyWay")
    void bytesDoNotDependOnThreads(SparsifyOptions options) throws IOException {
        Path model = FAMILY.resolve("fft-spam");
        run(model, FAMILY.resolve("base"), options, 1, folder.resolve("one"));
        run(model, FAMILY.resolve("base"), options, 4, folder.resolve("four"));
        assertThat(folder.resolve("one/delta.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("four/delta.safetensors"));
    }

    @Test
    void everythingExactRestoresTheFileByteForByte() throws IOException {
        for (String task : List.of("pos", "spam")) {
            Path model = FAMILY.resolve("fft-" + task);
            Path delta = folder.resolve("delta-" + task);
            run(model, FAMILY.resolve("base"), SparsifyOptions.paper(1), 2, delta);
            apply(delta, FAMILY.resolve("base"), folder.resolve(task), false);
            for (String file : List.of("model.safetensors", "config.json")) {
                assertThat(folder.resolve(task).resolve(file))
                        .hasSameBinaryContentAs(model.resolve(file));
            }
        }
    }

    /** ⟨û, u⟩ = ‖u‖² is what the gain is for; checked on the applied values themselves. */
    @Test
    void projectionGainGivesTheLengthBack() throws IOException {
        var random = new Random(11);
        float[] from = gaussian(random, 40_000);
        float[] to = gaussian(random, 40_000);
        Path base =
                Checkpoints.write(folder.resolve("b.safetensors"), DType.F32, Map.of("x", from));
        Path model = Checkpoints.write(folder.resolve("m.safetensors"), DType.F32, Map.of("x", to));
        Ledger ledger = run(model, base, SparsifyOptions.signs(0.05), 1, folder.resolve("d"));
        apply(folder.resolve("d"), base, folder.resolve("out"), false);
        float[] applied = Checkpoints.read(folder.resolve("out/model.safetensors"), "x");
        double dot = 0;
        double energy = 0;
        double error = 0;
        int changed = 0;
        for (int i = 0; i < from.length; i++) {
            double u = (double) to[i] - from[i];
            dot += u * ((double) applied[i] - from[i]);
            energy += u * u;
            error += ((double) to[i] - applied[i]) * ((double) to[i] - applied[i]);
            changed += applied[i] == from[i] ? 0 : 1;
        }
        assertThat(changed).isEqualTo(2000);
        assertThat(dot).isCloseTo(energy, within(1e-5 * energy));
        TensorRecord record = ledger.tensors().getFirst();
        assertThat(record.figure("relativeError"))
                .isCloseTo(Math.sqrt(error / energy), within(1e-5));
    }

    private static float[] gaussian(Random random, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    /**
     * Counts of kept entries as the numpy reference has them, for every task, density and scope.
     */
    @Test
    void countsEqualTheReferencesOnTheTrainedFamily() throws IOException {
        Path merged = merged();
        List<String> tasks = List.of("debsection", "nounsense", "pos", "spam");
        int compared = 0;
        JsonNode rows =
                new ObjectMapper().readTree(FAMILY.resolve("expected.json").toFile()).get("rows");
        for (JsonNode row : rows) {
            boolean plain = !row.has("pool") && !row.has("keep_1d_whole");
            String values = row.path("values").asText();
            if (!row.path("merge").asText().equals("ta0.3")
                    || !plain
                    || !List.of(0.01, 0.05, 0.2).contains(row.path("m").asDouble())
                    || !List.of("signproj", "f32").contains(values)) {
                continue;
            }
            boolean signs = values.equals("signproj");
            var options =
                    options(
                            SparsifyOptions.Scope.valueOf(row.get("selection").asText()),
                            row.get("m").asDouble(),
                            signs ? Values.sign : Values.exact,
                            signs ? Gain.projection : Gain.none);
            for (String task : tasks) {
                Path out = folder.resolve("out" + compared++);
                Ledger ledger = run(FAMILY.resolve("fft-" + task), merged, options, 2, out);
                JsonNode expected = row.get("tasks").get(task);
                assertThat((long) ledger.total("nonZeros"))
                        .as("%s %s", task, options)
                        .isEqualTo(expected.get("nnz").asLong());
                long sparse =
                        ledger.tensors().stream()
                                .filter(r -> r.treatment().equals("sparse"))
                                .mapToLong(TensorRecord::bytesOut)
                                .sum();
                // the reference's entropy bound counts two bytes a tensor for scales, which we do
                // not
                assertThat((double) sparse / expected.get("entropy").asLong())
                        .isBetween(0.97, 1.12);
            }
        }
        assertThat(compared).isEqualTo(48);
    }

    @Test
    void notFiniteValuesAreRefusedWithTensorAndElement() throws IOException {
        float[] broken = {1, 2, Float.NaN, 4};
        Path base =
                Checkpoints.write(
                        folder.resolve("b.safetensors"), DType.F32, Map.of("x", new float[4]));
        Path model =
                Checkpoints.write(folder.resolve("m.safetensors"), DType.F32, Map.of("x", broken));
        for (var options : List.of(SparsifyOptions.paper(0.5), SparsifyOptions.compact())) {
            assertThatThrownBy(() -> run(model, base, options, 1, folder.resolve("out")))
                    .isInstanceOf(ConversionException.UnusableValues.class)
                    .hasMessageContaining("'x'")
                    .hasMessageContaining("element 2 is NaN");
        }
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void anotherBaseIsRefusedUnlessForced() throws IOException {
        run(
                FAMILY.resolve("fft-pos"),
                FAMILY.resolve("base"),
                SparsifyOptions.paper(0.01),
                1,
                folder.resolve("d"));
        Path other = FAMILY.resolve("fft-spam");
        assertThatThrownBy(() -> apply(folder.resolve("d"), other, folder.resolve("out"), false))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("not the base");
        assertThat(folder.resolve("out")).doesNotExist();
        apply(folder.resolve("d"), other, folder.resolve("out"), true);
        assertThat(folder.resolve("out/model.safetensors")).exists();
    }

    @Test
    void modelsWithoutACommonTensorAreRefused() throws IOException {
        Path base =
                Checkpoints.write(
                        folder.resolve("b.safetensors"), DType.F32, Map.of("x", new float[4]));
        Path model =
                Checkpoints.write(
                        folder.resolve("m.safetensors"), DType.F32, Map.of("y", new float[4]));
        assertThatThrownBy(() ->
                        run(model, base, SparsifyOptions.paper(0.5), 1, folder.resolve("out")))
                .isInstanceOf(ConversionException.NothingMatched.class);
    }

    /** The reader of docs/sparse-delta.md, as printed there, rebuilds what apply rebuilds. */
    @Test
    void documentedNumpyReaderGivesTheSameModel() throws Exception {
        Python python = Python.with("numpy", "safetensors");
        String page =
                Files.readString(Path.of(System.getProperty("graft.root"), "docs/sparse-delta.md"));
        List<String> files =
                Arrays.stream(page.split("```python\n", -1))
                        .skip(1)
                        .map(text -> text.substring(0, text.indexOf("```")))
                        .toList();
        assertThat(files.getFirst().lines().filter(line -> !line.isEmpty())).hasSizeLessThan(41);
        Path script = Files.writeString(folder.resolve("read_delta.py"), files.getFirst());
        Files.writeString(folder.resolve("read_coded.py"), files.getLast());
        List<String> arguments = new ArrayList<>(List.of(script.toString()));
        for (var options : everyWay().toList()) {
            Path delta = folder.resolve("d" + arguments.size());
            Path out = folder.resolve("o" + arguments.size());
            run(FAMILY.resolve("fft-pos"), FAMILY.resolve("base"), options, 1, delta);
            apply(delta, FAMILY.resolve("base"), out, false);
            arguments.addAll(
                    Arrays.asList(
                            delta.resolve("delta.safetensors").toString(),
                            FAMILY.resolve("base/model.safetensors").toString(),
                            out.resolve("model.safetensors").toString()));
        }
        python.run("check_delta.py", arguments.getFirst(), arguments.subList(1, arguments.size()));
    }

    /** Heads tied to embeddings, in files by torch.save: stored once, and both there again. */
    @Test
    void tiedTensorsAreStoredOnce() throws Exception {
        Python python = Python.with("torch", "safetensors");
        python.run("tied.py", "make", List.of(folder.toString()));
        Path base = folder.resolve("base.bin");
        for (var options : List.of(SparsifyOptions.paper(1), SparsifyOptions.compact())) {
            Path delta = folder.resolve("d-" + options.select());
            Ledger ledger = run(folder.resolve("tune.bin"), base, options, 2, delta);
            TensorRecord head = record(ledger, "lm_head.weight");
            assertThat(head.treatment()).isEqualTo("tied");
            assertThat(head.figures().get("tiedTo")).isEqualTo("model.embed_tokens.weight");
            assertThat(head.bytesOut()).isZero();
            assertThat(record(ledger, "aux.a").treatment()).isEqualTo("whole"); // base has none
            assertThat(record(ledger, "aux.b").figures().get("tiedTo")).isEqualTo("aux.a");
            assertThat(record(ledger, "model.norm.weight").treatment()).isEqualTo("sparse");
            assertThat(ledger.totals().get("tensors tied")).isEqualTo(2L);
            Path out = folder.resolve("o-" + options.select());
            apply(delta, base, out, false);
            String exact = options.select() == SparsifyOptions.Select.magnitude ? "exact" : "near";
            python.run(
                    "tied.py",
                    "check",
                    List.of(folder.toString(), out.resolve("model.safetensors").toString(), exact));
        }
    }

    /** Of two tensors that are the same, one is excluded: it is no longer the other's. */
    @Test
    void excludedTensorIsNotTiedToOneThatIsStored() throws IOException {
        var random = new Random(5);
        float[] from = gaussian(random, 600);
        float[] to = gaussian(random, 600);
        for (int i = 0; i < to.length; i++) {
            to[i] = from[i] + to[i] / 8;
        }
        String head = "lm_head.weight";
        String embed = "model.embed_tokens.weight";
        Map<String, long[]> shapes = Map.of(head, new long[] {20, 30}, embed, new long[] {20, 30});
        Path base =
                Checkpoints.write(
                        folder.resolve("b.safetensors"),
                        DType.F32,
                        Map.of(head, from, embed, from),
                        shapes);
        Path model =
                Checkpoints.write(
                        folder.resolve("m.safetensors"),
                        DType.F32,
                        Map.of(head, to, embed, to),
                        shapes);
        var options =
                new SparsifyOptions(
                        SparsifyOptions.Select.magnitude,
                        SparsifyOptions.Scope.global,
                        new Amount.Density(1),
                        Values.exact,
                        Gain.none,
                        17,
                        List.of(new SparsifyOptions.Override("lm_head*", 0)));
        Ledger ledger = run(model, base, options, 1, folder.resolve("d"));
        assertThat(record(ledger, head).treatment()).isEqualTo("sparse");
        apply(folder.resolve("d"), base, folder.resolve("out"), false);
        Path applied = folder.resolve("out/model.safetensors");
        assertThat(Checkpoints.read(applied, head)).isEqualTo(from);
        assertThat(Checkpoints.read(applied, embed)).isEqualTo(to);
    }

    /** compressed-tensors reads the residual, and base plus residual is what apply gives. */
    @Test
    void bitmaskResidualIsWhatApplyAdds() throws Exception {
        Python python =
                Python.with(
                        "torch",
                        "compressed_tensors",
                        "compressed_tensors.compressors.sparse_compressors");
        Path base = FAMILY.resolve("base");
        int n = 0;
        List<String> arguments = new ArrayList<>();
        for (var options : everyWay().toList()) {
            Path delta = folder.resolve("d" + n);
            Path residual = folder.resolve("r" + n);
            Path out = folder.resolve("o" + n++);
            run(FAMILY.resolve("fft-pos"), base, options, 1, delta);
            apply(delta, base, out, false);
            new SparsifyModel()
                    .run(
                            new SparsifyRequest(
                                    FAMILY.resolve("fft-pos"),
                                    "model",
                                    base,
                                    "base",
                                    options,
                                    SparsifyRequest.Layout.bitmask,
                                    residual,
                                    false,
                                    false,
                                    false,
                                    2,
                                    Progress.NONE));
            assertThat(residual.resolve("delta.safetensors")).doesNotExist();
            arguments.add(residual.resolve("residual.safetensors").toString());
            arguments.add(out.resolve("model.safetensors").toString());
        }
        String file = base.resolve("model.safetensors").toString();
        python.run("check_bitmask.py", file, arguments);
    }

    @Test
    void bytesOfABitmaskResidualAreThoseOfItsFile() throws IOException {
        Path out = folder.resolve("residual");
        Ledger expected = bitmask(out, true);
        assertThat(out).doesNotExist();
        Ledger ledger = bitmask(out, false);
        assertThat(expected.total("bytesOut")).isEqualTo(ledger.total("bytesOut"));
        byte[] file = Files.readAllBytes(out.resolve("residual.safetensors"));
        long header = 8 + ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
        assertThat((long) ledger.total("bytesOut")).isEqualTo(file.length - header);
        assertThat(ledger.bytesOut()).isEqualTo(file.length - header);
    }

    private static Ledger bitmask(Path out, boolean dryRun) throws IOException {
        return new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                FAMILY.resolve("fft-pos"),
                                "model",
                                FAMILY.resolve("base"),
                                "base",
                                SparsifyOptions.signs(0.05),
                                SparsifyRequest.Layout.bitmask,
                                out,
                                false,
                                false,
                                dryRun,
                                2,
                                Progress.NONE));
    }

    private static TensorRecord record(Ledger ledger, String name) {
        return ledger.tensors().stream()
                .filter(record -> record.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static SparsifyOptions options(
            SparsifyOptions.Scope scope, double density, Values values, Gain gain) {
        return new SparsifyOptions(
                SparsifyOptions.Select.magnitude,
                scope,
                new Amount.Density(density),
                values,
                gain,
                17,
                List.of());
    }

    private static SparsifyOptions random(
            SparsifyOptions.Select select, Amount amount, Values values) {
        return new SparsifyOptions(
                select, SparsifyOptions.Scope.tensor, amount, values, Gain.none, 17, List.of());
    }

    /** Every selection and every kind of value. */
    static Stream<SparsifyOptions> everyWay() {
        var tensor = SparsifyOptions.Scope.tensor;
        return Stream.of(
                SparsifyOptions.paper(0.2),
                SparsifyOptions.paper(0.6),
                SparsifyOptions.signs(0.03),
                options(tensor, 0.0002, Values.exact, Gain.none),
                SparsifyOptions.compact(),
                options(SparsifyOptions.Scope.energy, 0.1, Values.f16, Gain.norm),
                options(tensor, 0.1, Values.bf16, Gain.projection),
                options(tensor, 0.1, Values.int4, Gain.none),
                options(tensor, 0.1, Values.signrow, Gain.projection),
                random(SparsifyOptions.Select.blocks, new Amount.Blocks(2, 8), Values.exact),
                random(SparsifyOptions.Select.random, new Amount.Density(0.2), Values.f16),
                random(SparsifyOptions.Select.stochastic, new Amount.Step(6), Values.sign),
                random(SparsifyOptions.Select.dither, new Amount.Step(3), Values.sign),
                random(SparsifyOptions.Select.dither, new Amount.Noise(20), Values.sign));
    }

    /** The delta's file is what was asked for, and at most a fiftieth less. */
    @ParameterizedTest
    @MethodSource("waysToASize")
    void sizesAreKept(SparsifyOptions options) throws IOException {
        long size = ((Amount.Bytes) options.amount()).total();
        Path out = folder.resolve("sized");
        run(FAMILY.resolve("fft-pos"), FAMILY.resolve("base"), options, 2, out);
        assertThat(Files.size(out.resolve("delta.safetensors")))
                .isLessThanOrEqualTo(size)
                .isGreaterThanOrEqualTo(size * 98 / 100);
    }

    @Test
    void sizeThatHoldsNothingIsRefused() {
        var options = random(SparsifyOptions.Select.dither, new Amount.Bytes(500), Values.sign);
        assertThatThrownBy(() ->
                        run(
                                FAMILY.resolve("fft-pos"),
                                FAMILY.resolve("base"),
                                options,
                                2,
                                folder.resolve("none")))
                .isInstanceOf(ConversionException.UnusableValues.class)
                .hasMessageContaining("500 bytes are too few: the least that holds these models");
        assertThat(folder.resolve("none")).doesNotExist();
    }

    static Stream<SparsifyOptions> waysToASize() {
        return Stream.of(40_000, 400_000)
                .flatMap(size -> {
                    var bytes = new Amount.Bytes(size);
                    return Stream.of(
                            random(SparsifyOptions.Select.dither, bytes, Values.sign),
                            random(SparsifyOptions.Select.stochastic, bytes, Values.sign),
                            random(SparsifyOptions.Select.random, bytes, Values.f16),
                            sized(SparsifyOptions.Scope.global, bytes, Values.exact),
                            sized(SparsifyOptions.Scope.tensor, bytes, Values.int4));
                });
    }

    private static SparsifyOptions sized(SparsifyOptions.Scope scope, Amount bytes, Values values) {
        return new SparsifyOptions(
                SparsifyOptions.Select.magnitude,
                scope,
                bytes,
                values,
                Gain.none,
                17,
                List.of(new SparsifyOptions.Override("*.bias", 0)));
    }

    private Path merged() throws IOException {
        Path merged = folder.resolve("merged");
        List<MergeRequest.FineTune> models = new ArrayList<>();
        List<String> tasks = List.of("debsection", "nounsense", "pos", "spam");
        tasks.forEach(t -> models.add(new MergeRequest.FineTune(FAMILY.resolve("fft-" + t), t)));
        new MergeModels()
                .run(
                        new MergeRequest(
                                FAMILY.resolve("base"),
                                "base",
                                models,
                                MergeOptions.taskArithmetic(0.3),
                                List.of(),
                                Optional.of(DType.F32),
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                merged,
                                false,
                                2,
                                Progress.NONE));
        return merged;
    }

    /**
     * The integers are those of the numpy reference: the same random numbers, the same rounding.
     */
    @Test
    void unbiasedRoundingHasTheReferencesNonZerosAndBeatsItsEntropy() throws IOException {
        Path merged = merged();
        int compared = 0;
        JsonNode rows =
                new ObjectMapper().readTree(FAMILY.resolve("expected.json").toFile()).get("rows");
        for (JsonNode row : rows) {
            boolean dither = row.path("method").asText().equals("subtractive dither");
            boolean stochastic = row.path("method").asText().equals("stochastic rounding");
            double step = row.path("step").asDouble();
            if (!row.path("merge").asText().equals("ta0.3")
                    || !(dither || stochastic)
                    || !List.of(2.0, 6.0, 24.0).contains(step)) {
                continue;
            }
            var select = dither ? SparsifyOptions.Select.dither : SparsifyOptions.Select.stochastic;
            var options = random(select, new Amount.Step(step), Values.sign);
            for (String task : List.of("pos", "spam")) {
                Path out = folder.resolve("u" + compared++);
                Ledger ledger = run(FAMILY.resolve("fft-" + task), merged, options, 2, out);
                JsonNode expected = row.get("tasks").get(task);
                long sparse =
                        ledger.tensors().stream()
                                .filter(r -> r.treatment().equals("sparse"))
                                .mapToLong(TensorRecord::bytesOut)
                                .sum();
                assertThat(sparse)
                        .as("%s %s", task, options)
                        .isLessThan(expected.get("entropy").asLong() * 105 / 100);
                if (stochastic) { // steps are stored as float32, which may move a few
                    assertThat(ledger.total("nonZeros"))
                            .isCloseTo(expected.get("nnz").asDouble(), within(3.0));
                }
            }
        }
        assertThat(compared).isEqualTo(12);
    }

    private static Ledger run(Path model, Path base, SparsifyOptions options, int threads, Path out)
            throws IOException {
        return new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                model,
                                "model",
                                base,
                                "base",
                                options,
                                out,
                                false,
                                false,
                                threads,
                                Progress.NONE));
    }

    private static void apply(Path delta, Path base, Path out, boolean force) throws IOException {
        new ApplyDelta()
                .run(
                        new ApplyRequest(
                                delta,
                                "delta",
                                base,
                                "base",
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                out,
                                force,
                                2,
                                Progress.NONE));
    }
}
