package graft.formats.delta;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;

class DeltaFileTest {
    /** Those that give back what goes in. */
    private static final List<ValueCodec> PLAIN =
            List.of(
                    ValueCodec.EXACT,
                    ValueCodec.F16,
                    ValueCodec.BF16,
                    ValueCodec.SIGN,
                    ValueCodec.SIGN_ROW);

    @TempDir Path folder;

    static Stream<Arguments> positions() {
        return Stream.of(
                Arguments.of("nothing", IndexCodec.NONE, 100L, new long[0]),
                Arguments.of(
                        "everything", IndexCodec.DENSE, 100L, LongStream.range(0, 100).toArray()),
                Arguments.of("a scalar", IndexCodec.DENSE, 1L, new long[] {0}),
                Arguments.of("random half", IndexCodec.BITMAP, 4_000L, random(4_000, 0.5, 1)),
                Arguments.of("random 5 %", IndexCodec.RICE, 100_000L, random(100_000, 0.05, 2)),
                Arguments.of(
                        "random 0.1 %", IndexCodec.RICE, 1_000_000L, random(1_000_000, 0.001, 3)),
                Arguments.of("the last alone", IndexCodec.RICE, 1_000_000L, new long[] {999_999}),
                Arguments.of(
                        "gaps around 255", IndexCodec.U8_GAP, 300_000L, gaps(254, 253, 254, 200)),
                Arguments.of("escapes of u8", IndexCodec.U8_GAP, 300_000L, mostly(254, 255, 256)),
                Arguments.of(
                        "gaps of u16", IndexCodec.U16_GAP, 1L << 30, gaps(65534, 65533, 65534)),
                Arguments.of(
                        "escapes of u16",
                        IndexCodec.U16_GAP,
                        1L << 30,
                        mostly(65534, 65535, 65536)),
                Arguments.of("beyond 2^31", IndexCodec.U16_GAP, 1L << 33, far()));
    }

    private static long[] random(int elements, double density, long seed) {
        var random = new Random(seed);
        return LongStream.range(0, elements).filter(_ -> random.nextDouble() < density).toArray();
    }

    /** The pattern of gaps, repeated to about a hundred entries. */
    private static long[] gaps(long... pattern) {
        long[] positions = new long[100];
        long at = -1;
        for (int i = 0; i < positions.length; i++) {
            at += pattern[i % pattern.length] + 1;
            positions[i] = at;
        }
        return positions;
    }

    /** Rare gaps that need an escape among many that just do not. */
    private static long[] mostly(long common, long... rare) {
        long[] pattern = new long[40];
        Arrays.fill(pattern, common);
        System.arraycopy(rare, 0, pattern, 7, rare.length);
        return gaps(pattern);
    }

    private static long[] far() {
        return new long[] {(1L << 31) - 1, 1L << 31, (1L << 31) + 65_000};
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("positions")
    void entriesComeBackUnderTheCheapestCodec(
            String name, IndexCodec codec, long elements, long[] positions) throws IOException {
        for (ValueCodec values : PLAIN) {
            SparseTensor tensor = plan("t", elements, positions, values);
            if (!name.equals("beyond 2^31")) {
                assertThat(tensor.index()).isEqualTo(codec);
            }
            Path file = folder.resolve(values + ".safetensors");
            write(file, tensor, positions);
            try (var reader = DeltaReader.open(file)) {
                SparseTensor read = reader.find("t").orElseThrow();
                assertThat(read).isEqualTo(tensor);
                DeltaEntries entries = reader.entries(read);
                for (int i = 0; i < positions.length; i++) {
                    assertThat(entries.next()).isTrue();
                    assertThat(entries.index()).isEqualTo(positions[i]);
                    assertThat(entries.value()).isEqualTo(expected(values, i));
                }
                assertThat(entries.next()).isFalse();
                assertManyAtOnce(reader, read, positions, values);
            }
        }
    }

    /** In runs of every length from 1 to 100. */
    private static void assertManyAtOnce(
            DeltaReader reader, SparseTensor tensor, long[] positions, ValueCodec values)
            throws IOException {
        DeltaEntries entries = reader.entries(tensor);
        long[] read = new long[100];
        float[] stored = new float[100];
        float[] base = new float[100];
        Arrays.fill(base, 0.7f);
        int most = 1;
        for (int i = 0; i < positions.length; ) {
            int count = entries.next(most, read, stored);
            assertThat(count).isEqualTo(Math.min(most, positions.length - i));
            float[] absolute = stored.clone();
            entries.absolute(base, absolute, count);
            for (int j = 0; j < count; j++, i++) {
                assertThat(read[j]).isEqualTo(positions[i]);
                assertThat(stored[j]).isEqualTo(expected(values, i));
                float rounded = Elements.round(tensor.info().dtype(), 0.7f + stored[j]);
                assertThat(absolute[j]).isEqualTo(values == ValueCodec.EXACT ? stored[j] : rounded);
            }
            most = most % 100 + 1;
        }
        assertThat(entries.next(most, read, stored)).isZero();
    }

    private static float expected(ValueCodec values, int ordinal) {
        float value = value(ordinal);
        boolean signs = values == ValueCodec.SIGN || values == ValueCodec.SIGN_ROW;
        return signs ? Math.copySign(0.25f, value) : value;
    }

    private static float value(int ordinal) {
        return (ordinal % 3 == 0 ? -1 : 1) * (0.5f + ordinal % 64);
    }

    private static SparseTensor plan(
            String name, long elements, long[] positions, ValueCodec values) {
        var sizes = new IndexSizes(elements);
        Arrays.stream(positions).forEach(sizes::add);
        IndexSizes.Choice choice = sizes.cheapest();
        return new SparseTensor(
                new TensorInfo(name, DType.F16, Shape.of(elements)),
                positions.length,
                choice.codec(),
                choice.parameter(),
                choice.bytes(),
                values,
                values.bytes(positions.length, 1, DType.F16),
                values == ValueCodec.SIGN ? 0.25f : 0);
    }

    private static void write(Path file, SparseTensor tensor, long[] positions) throws IOException {
        write(file, tensor, positions, Map.of());
    }

    private static void write(
            Path file, SparseTensor tensor, long[] positions, Map<String, String> tied)
            throws IOException {
        Path part = Files.createTempFile(file.toAbsolutePath().getParent(), "part", "");
        Files.delete(part);
        try (var entries = SparseTensorWriter.create(part, tensor)) {
            if (tensor.values() == ValueCodec.SIGN_ROW && tensor.count() > 0) {
                entries.addRowScale(0.25f);
            }
            for (int i = 0; i < positions.length; i++) {
                entries.add(positions[i], value(i));
            }
            assertThat(entries.finish()).isEqualTo(tensor);
        }
        assertManyAtOnce(part, tensor, positions);
        var header =
                new DeltaHeader(
                        "base",
                        "hash",
                        Map.of("density", "x"),
                        17,
                        Map.of(),
                        List.of(tensor),
                        tied);
        var whole = new TensorInfo("head", DType.U8, Shape.of(3));
        try (var writer = DeltaWriter.create(file, header, List.of(whole))) {
            writer.writeWhole(whole, MemorySegment.ofArray(new byte[] {1, 2, 3}));
            writer.writePart(tensor, part);
        }
    }

    /** The same part from runs of every length from 0 to 99. */
    private static void assertManyAtOnce(Path part, SparseTensor tensor, long[] positions)
            throws IOException {
        if (Arrays.stream(positions).anyMatch(position -> position > Integer.MAX_VALUE)) {
            return;
        }
        Path other = part.resolveSibling("other");
        var sizes = new IndexSizes(tensor.info().shape().elements());
        try (var entries = SparseTensorWriter.create(other, tensor)) {
            if (tensor.values() == ValueCodec.SIGN_ROW && tensor.count() > 0) {
                entries.addRowScale(0.25f);
            }
            int some = 0;
            for (int i = 0; i < positions.length; i += some) {
                some = (some + 1) % 100;
                int[] run = new int[100];
                float[] values = new float[100];
                some = Math.min(some, positions.length - i);
                for (int j = 0; j < some; j++) {
                    run[j] = (int) positions[i + j];
                    values[j] = value(i + j);
                }
                entries.add(run, values, some);
                sizes.add(run, some);
            }
            assertThat(entries.finish()).isEqualTo(tensor);
        }
        assertThat(other).hasSameBinaryContentAs(part);
        assertThat(sizes.count()).isEqualTo(tensor.count());
        assertThat(sizes.cheapest().bytes()).isEqualTo(tensor.indexBytes());
        Files.delete(other);
    }

    /** Tied to what is stored, and not stored itself: anything else cannot be rebuilt. */
    @Test
    void tiesMustLeadToAStoredTensor() throws IOException {
        SparseTensor tensor = plan("embed", 100, new long[] {3, 70}, ValueCodec.SIGN);
        Path file = folder.resolve("tied.safetensors");
        write(file, tensor, new long[] {3, 70}, Map.of("b", "embed", "c", "head"));
        try (var delta = DeltaReader.open(file)) {
            assertThat(delta.header().tied())
                    .containsEntry("b", "embed")
                    .containsEntry("c", "head");
            assertThat(delta.tied())
                    .containsEntry(new TensorInfo("b", DType.F16, Shape.of(100)), tensor.info())
                    .hasSize(2);
        }
        for (var broken :
                Map.of("b", "nothing", "embed", "head", "head", "embed", "c", "b").entrySet()) {
            Path bad = folder.resolve(broken.getKey() + ".safetensors");
            write(bad, tensor, new long[] {3, 70}, Map.of(broken.getKey(), broken.getValue()));
            assertThatThrownBy(() -> DeltaReader.open(bad))
                    .isInstanceOf(MalformedFileException.class)
                    .hasMessageContaining("'" + broken.getKey() + "'")
                    .hasMessageMatching(".*is tied (to .* not stored|and stored as well).*");
        }
    }

    @Test
    void riceIsWithinThreePercentOfTheEntropy() {
        for (double density : new double[] {0.01, 0.05, 0.1, 0.2}) {
            int elements = 1_000_000;
            long[] positions = random(elements, density, 4);
            var sizes = new IndexSizes(elements);
            Arrays.stream(positions).forEach(sizes::add);
            double p = (double) positions.length / elements;
            double entropy = -p * Math.log(p) - (1 - p) * Math.log(1 - p);
            double bound = elements * entropy / Math.log(2) / 8;
            assertThat(sizes.cheapest().bytes() / bound).as("at %s", density).isLessThan(1.03);
        }
    }

    @Test
    void fewerEntriesThanPlannedDoNotPass() throws IOException {
        SparseTensor tensor = plan("t", 1000, new long[] {1, 500}, ValueCodec.EXACT);
        assertThatThrownBy(() -> write(folder.resolve("f"), tensor, new long[] {1}))
                .isInstanceOf(IllegalStateException.class);
    }

    /**
     * Every byte of a delta turned into other values: read as something else, or refused; never
     * worse.
     */
    @ParameterizedTest
    @EnumSource(names = {"BITMAP", "U8_GAP", "RICE"})
    void corruptBytesAreReadOrRefused(IndexCodec codec) throws IOException {
        long[] positions =
                switch (codec) {
                    case BITMAP -> random(200, 0.5, 5);
                    case U8_GAP -> gaps(254, 253);
                    default -> random(2000, 0.05, 6);
                };
        SparseTensor tensor =
                plan("t", codec == IndexCodec.BITMAP ? 200 : 30_000, positions, ValueCodec.SIGN);
        assertThat(tensor.index()).isEqualTo(codec);
        Path good = folder.resolve("good");
        write(good, tensor, positions);
        byte[] bytes = Files.readAllBytes(good);
        int refused = 0;
        for (int i = 0; i < bytes.length; i++) {
            for (int change : new int[] {0x01, 0x80, 0xff}) {
                byte[] broken = bytes.clone();
                broken[i] ^= (byte) change;
                Path file = folder.resolve("broken");
                Files.write(file, broken);
                refused += isRefused(file) ? 1 : 0;
            }
        }
        assertThat(refused).isGreaterThan(bytes.length);
    }

    @Test
    void truncatedDeltaIsRefusedAtEveryLength() throws IOException {
        long[] positions = random(2000, 0.05, 7);
        Path good = folder.resolve("good");
        write(good, plan("t", 2000, positions, ValueCodec.EXACT), positions);
        byte[] bytes = Files.readAllBytes(good);
        for (int length = 0; length < bytes.length; length++) {
            Path file = folder.resolve("cut");
            Files.write(file, Arrays.copyOf(bytes, length));
            assertThat(isRefused(file)).as("cut to %d", length).isTrue();
        }
    }

    private static boolean isRefused(Path file) throws IOException {
        boolean refused = isRefused(file, false);
        assertThat(isRefused(file, true)).isEqualTo(refused);
        return refused;
    }

    private static boolean isRefused(Path file, boolean manyAtOnce) throws IOException {
        try (var reader = DeltaReader.open(file)) {
            for (SparseTensor tensor : reader.header().tensors()) {
                DeltaEntries entries = reader.entries(tensor);
                if (manyAtOnce) {
                    long[] positions = new long[7];
                    while (entries.next(7, positions, new float[7]) > 0) {
                        assertThat(positions[0]).isNotNegative();
                    }
                }
                while (entries.next()) {
                    entries.value();
                }
            }
            return false;
        } catch (FormatException e) {
            assertThat(e.getMessage()).doesNotContain("\n");
            return true;
        }
    }

    @Test
    void ordinaryCheckpointIsNoDelta() throws IOException {
        Path file = folder.resolve("plain.safetensors");
        try (var writer =
                graft.formats.safetensors.SafetensorsWriter.create(file, List.of(), Map.of())) {
            assertThat(writer).isNotNull();
        }
        assertThatThrownBy(() -> DeltaReader.open(file).close())
                .isInstanceOf(MalformedFileException.class)
                .hasMessageContaining("is no sparse delta");
    }

    @Test
    void laterVersionIsUnsupportedNotMalformed() throws IOException {
        Path file = folder.resolve("delta");
        write(file, plan("t", 10, new long[] {3}, ValueCodec.EXACT), new long[] {3});
        byte[] bytes = Files.readAllBytes(file);
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        int at = text.indexOf("\"format_version\":\"1\"");
        bytes[at + "\"format_version\":\"".length()] = '9';
        Files.write(file, bytes);
        assertThatThrownBy(() -> DeltaReader.open(file).close())
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessageContaining("'9'");
    }

    /** Integers come back, beside an independent count of what they should cost. */
    @ParameterizedTest
    @EnumSource(
            value = ValueCodec.class,
            names = {"STEPS", "DITHER"})
    void codedIntegersComeBackBelowTheirEntropy(ValueCodec values) throws IOException {
        int n = 60_000;
        boolean dithered = values == ValueCodec.DITHER;
        var info = new TensorInfo("t", DType.F32, Shape.of(n / 100, 100));
        var uniform = new CounterRandom("t", 17);
        var gaussian = new Random(9);
        int[] integers = new int[n];
        Map<Integer, Integer> counts = new TreeMap<>();
        for (int i = 0; i < n; i++) {
            double scale = i < n / 2 ? 0.3 : i < n - 20 ? 0.05 : 1e5; // a few far beyond unary
            double x = scale * gaussian.nextGaussian();
            double r = uniform.at(i);
            double q =
                    dithered
                            ? Math.rint(x + r - 0.5)
                            : Math.copySign(Math.floor(Math.abs(x) + r), x);
            integers[i] = (int) q;
            counts.merge(integers[i], 1, Integer::sum);
        }
        Path part = folder.resolve("part");
        var plan =
                new SparseTensor(
                        info,
                        dithered ? n : 1,
                        dithered ? IndexCodec.DENSE : IndexCodec.CODED,
                        0,
                        0,
                        values,
                        0,
                        0.5f);
        SparseTensor done;
        try (var writer = SparseTensorWriter.create(part, plan)) {
            for (int i = 0; i < n; i++) {
                writer.addInteger(integers[i], uniform.at(i));
            }
            done = writer.finish();
        }
        double entropy = 0;
        for (int count : counts.values()) {
            entropy -= count * Math.log((double) count / n) / Math.log(2) / 8;
        }
        assertThat((double) done.valueBytes()).isEqualTo(Files.size(part)).isLessThan(entropy);
        try (var opened = DeltaPart.open(part, done, 17)) {
            DeltaEntries entries = opened.entries();
            for (int i = 0; i < n; i++) {
                if (dithered || integers[i] != 0) {
                    assertThat(entries.next()).isTrue();
                    assertThat(entries.index()).isEqualTo(i);
                    double q = dithered ? integers[i] - uniform.at(i) + 0.5 : integers[i];
                    assertThat(entries.value()).isEqualTo((float) (q * 0.5f));
                }
            }
            assertThat(entries.next()).isFalse();
        }
    }

    /** The first numbers of compress.py's uniforms("bert.pooler.dense.bias", 4, 17). */
    @Test
    void randomNumbersAreTheReferences() {
        var random = new CounterRandom("bert.pooler.dense.bias", 17);
        assertThat(new double[] {random.at(0), random.at(1), random.at(2), random.at(3)})
                .containsExactly(
                        0.6927937358531986,
                        0.10070066483408424,
                        0.7749825679631566,
                        0.485724876575774);
    }
}
