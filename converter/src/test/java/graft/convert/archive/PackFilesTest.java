package graft.convert.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import static java.nio.charset.StandardCharsets.UTF_8;

import graft.convert.ConversionException;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Python;
import graft.formats.archive.ArchiveFile;
import graft.formats.archive.ArchiveReader;
import graft.formats.archive.Manifest;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

class PackFilesTest {
    private static final Path BASE = Archives.FAMILY.resolve("base");
    private static final Path TUNED = Archives.FAMILY.resolve("fft-pos");

    @TempDir Path folder;

    @Test
    void everyFileOfTheFamilyComesBackByteForByte() throws IOException {
        Path archive = folder.resolve("family.tar");
        Archives.pack(archive, 2, Optional.empty(), Archives.FAMILY);
        Archives.unpack(archive, folder.resolve("out"), Optional.empty(), false);
        assertSame(Archives.FAMILY, folder.resolve("out/mini"));
    }

    /** More pieces than are mapped at once, none of them on the boundary of a page. */
    @Test
    void filesOfManyBlocksComeBack() throws IOException {
        int elements = (70 << 19) + 1;
        String header = "{\"t\":{\"dtype\":\"I16\",\"shape\":[%1$d],\"data_offsets\":[0,%2$d]}}";
        byte[] json = header.formatted(elements, 2 * elements).getBytes(UTF_8);
        byte[] tensor = new byte[2 * elements];
        new Random(42).nextBytes(tensor);
        ByteBuffer file = ByteBuffer.allocate(8 + json.length + tensor.length);
        file.order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).put(json).put(tensor);
        Path source = folder.resolve("many.safetensors");
        Files.write(source, file.array());
        Path archive = folder.resolve("many.tar");
        Archives.pack(archive, 3, Optional.empty(), source);
        Archives.unpack(archive, folder.resolve("out"), Optional.empty(), false);
        assertThat(Files.mismatch(source, folder.resolve("out/many.safetensors"))).isEqualTo(-1);
    }

    @Test
    void sizesOfRealModels() throws IOException {
        Path model = TUNED.resolve("model.safetensors");
        var alone = Archives.pack(folder.resolve("a.tar"), 2, Optional.empty(), model);
        var beside = Archives.pack(folder.resolve("b.tar"), 2, Optional.of(BASE), model);
        // its bytes have an order-0 entropy of 84.7 % alone and, XORed with the base, of 72.7 %
        assertThat((double) alone.bytesOut() / alone.bytesIn()).isBetween(0.80, 0.86);
        assertThat((double) beside.bytesOut() / beside.bytesIn()).isBetween(0.60, 0.655);
    }

    @Test
    void bytesDoNotDependOnTheNumberOfThreads() throws IOException {
        Path one = folder.resolve("1.tar");
        Archives.pack(one, 1, Optional.of(BASE), TUNED, TUNED.resolve("model.safetensors"));
        for (int threads : new int[] {2, 5}) {
            Path many = folder.resolve(threads + ".tar");
            Archives.pack(
                    many, threads, Optional.of(BASE), TUNED, TUNED.resolve("model.safetensors"));
            assertThat(Files.mismatch(one, many)).isEqualTo(-1);
        }
    }

    @Test
    void equalFilesAndEqualTensorsAreStoredOnce() throws IOException {
        Path copy = folder.resolve("copy");
        Files.createDirectory(copy);
        Files.copy(BASE.resolve("model.safetensors"), copy.resolve("weights.safetensors"));
        Files.copy(BASE.resolve("tokenizer.json"), copy.resolve("other.json"));
        Path archive = folder.resolve("twice.tar");
        var result = Archives.pack(archive, 2, Optional.empty(), BASE, copy);
        for (ArchiveFile file : result.manifest().files()) {
            if (file.path().startsWith("copy/") && file.bytes() >= References.LEAST_BYTES) {
                assertThat(file.stored()).as(file.path()).isZero();
                // cut alike, so that no block of a copy refers to many
                assertThat(original(result, file).blocks().size())
                        .as(file.path())
                        .isEqualTo(file.blocks().size());
            }
        }
        Archives.unpack(archive, folder.resolve("out"), Optional.empty(), false, "copy/**");
        assertSame(copy, folder.resolve("out/copy"));
        assertThat(folder.resolve("out/base")).doesNotExist();
    }

    private static ArchiveFile original(PackFiles.Result result, ArchiveFile copy) {
        return result.manifest().files().stream()
                .filter(file -> file.sha256().equals(copy.sha256()))
                .findFirst()
                .orElseThrow();
    }

    /** A head that is the embedding; beside a base, the embedding refers to that of the base. */
    @Test
    void equalTensorsOfOneFileAreStoredOnce() throws IOException {
        Path base = Files.createDirectory(folder.resolve("base"));
        Path tuned = Files.createDirectory(folder.resolve("tuned"));
        var random = new Random(7);
        float[] before = new float[300_000];
        float[] after = new float[before.length];
        for (int i = 0; i < before.length; i++) {
            before[i] = (float) random.nextGaussian();
            after[i] = before[i] + (float) random.nextGaussian() / 100;
        }
        tied(base.resolve("model.safetensors"), before);
        Path model = tied(tuned.resolve("model.safetensors"), after);
        Path once = Checkpoints.write(folder.resolve("once"), DType.BF16, Map.of("a", after));
        Path archive = folder.resolve("tied.tar");
        long alone = Archives.pack(archive, 2, Optional.empty(), once).bytesOut();
        for (Optional<Path> beside : List.of(Optional.<Path>empty(), Optional.of(base))) {
            Files.delete(archive);
            var result = Archives.pack(archive, 2, beside, model);
            assertThat(result.bytesOut()).isLessThan(alone + 4000);
            Archives.unpack(archive, folder.resolve("out"), beside, false);
            assertSame(tuned, folder.resolve("out"));
        }
    }

    /** A repository that has its weights in both formats. */
    @Test
    void torchFilesShareTensorsWithSafetensors() throws Exception {
        Path source = Files.createDirectory(folder.resolve("both"));
        Path model =
                Files.copy(TUNED.resolve("model.safetensors"), source.resolve("a.safetensors"));
        Python.with("torch", "safetensors")
                .run(
                        "save_pickled.py",
                        model.toString(),
                        List.of(source.resolve("pytorch_model.bin").toString()));
        Path archive = folder.resolve("both.tar");
        var result = Archives.pack(archive, 2, Optional.empty(), source);
        ArchiveFile bin = result.manifest().files().getLast();
        assertThat(bin.path()).isEqualTo("both/pytorch_model.bin");
        assertThat(bin.stored()).isLessThan(bin.bytes() / 5);
        Archives.unpack(archive, folder.resolve("out"), Optional.empty(), false);
        assertSame(source, folder.resolve("out/both"));
    }

    private static Path tied(Path file, float[] values) throws IOException {
        return Checkpoints.write(
                file, DType.BF16, Map.of("embedding", values, "head", values, "tail", values));
    }

    /** Without --base a family still shares: what comes first is what the others resemble. */
    @Test
    void tunedModelsReferToTheFirstOfTheirKind() throws IOException {
        Path archive = folder.resolve("family.tar");
        var result = Archives.pack(archive, 2, Optional.empty(), BASE, TUNED);
        ArchiveFile tuned =
                result.manifest().files().stream()
                        .filter(file -> file.path().equals("fft-pos/model.safetensors"))
                        .findFirst()
                        .orElseThrow();
        assertThat(tuned.stored()).isLessThan(tuned.bytes() * 2 / 3);
        Archives.unpack(archive, folder.resolve("out"), Optional.empty(), false, "fft-pos/*");
        assertSame(TUNED, folder.resolve("out/fft-pos"));
    }

    @Test
    void archiveThatNeedsABaseAsksForItAndForNoOther() throws IOException {
        Path archive = folder.resolve("tuned.tar");
        Archives.pack(archive, 2, Optional.of(BASE), TUNED);
        Path out = folder.resolve("out");
        assertThatThrownBy(() -> Archives.unpack(archive, out, Optional.empty(), false))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("'the base' (SHA-256 ");
        assertThatThrownBy(() -> Archives.unpack(archive, out, Optional.of(TUNED), false))
                .isInstanceOf(ConversionException.BaseMismatch.class)
                .hasMessageContaining("holds no file with the hash of 'model.safetensors'");
        assertThat(out).doesNotExist();
        Archives.unpack(archive, out, Optional.of(BASE), false);
        assertSame(TUNED, out.resolve("fft-pos"));
        // what needs no base comes without
        Archives.unpack(archive, out, Optional.empty(), false, "*.json");
        assertThat(Archives.contents(out)).hasSize(Archives.contents(TUNED).size() - 1);
        assertThat(Archives.verify(archive))
                .isEqualTo(new VerifyArchive.Result(Archives.contents(TUNED).size(), 1, List.of()));
    }

    @Test
    void floatsAreFoundInFilesOfUnknownFormat() throws IOException {
        var random = new Random(5);
        byte[] file = new byte[3_000_001];
        for (int i = 777; i + 4 <= file.length; i += 4) { // not aligned, as in an ONNX graph
            int bits = Float.floatToRawIntBits((float) random.nextGaussian());
            for (int b = 0; b < 4; b++) {
                file[i + b] = (byte) (bits >>> 8 * b);
            }
        }
        Path path = Files.write(folder.resolve("weights.data"), file);
        var result = Archives.pack(folder.resolve("w.tar"), 2, Optional.empty(), path);
        assertThat(result.bytesOut()).isLessThan(file.length * 85L / 100);
        Archives.unpack(folder.resolve("w.tar"), folder.resolve("out"), Optional.empty(), false);
        assertThat(Files.readAllBytes(folder.resolve("out/weights.data"))).isEqualTo(file);
    }

    @Test
    void damagedSafetensorsFilesArePackedAsTheyAre() throws IOException {
        Path bad = folder.resolve("bad");
        Files.createDirectory(bad);
        Path invalid = Path.of(System.getProperty("graft.testdata"), "safetensors/invalid");
        int files = 0;
        try (var each = Files.list(invalid)) {
            for (Path file : each.sorted().toList()) {
                Files.copy(file, bad.resolve(file.getFileName()));
                files++;
            }
        }
        assertThat(files).isGreaterThan(50);
        var result = Archives.pack(folder.resolve("b.tar"), 2, Optional.empty(), bad);
        assertThat(result.warnings()).hasSizeGreaterThan(50);
        Archives.unpack(folder.resolve("b.tar"), folder.resolve("out"), Optional.empty(), false);
        assertSame(bad, folder.resolve("out/bad"));
    }

    @Test
    void longAndForeignNamesLinksAndEmptyFiles() throws IOException {
        Path source = folder.resolve("source");
        Path deep = source.resolve("größe/" + "long-name-".repeat(20) + "/" + "x".repeat(120));
        Files.createDirectories(deep);
        Files.writeString(deep.resolve("模型.json"), "{}");
        Files.createFile(source.resolve("empty"));
        Files.createFile(source.resolve("empty.safetensors"));
        Files.createSymbolicLink(source.resolve("link.json"), deep.resolve("模型.json"));
        Path archive = folder.resolve("names.tar");
        Archives.pack(archive, 2, Optional.empty(), source);
        assertThat(Archives.verify(archive).failures()).isEmpty();
        Archives.unpack(archive, folder.resolve("out"), Optional.empty(), false);
        assertSame(source, folder.resolve("out/source"));
        assertThat(folder.resolve("out/source/link.json")).isRegularFile();
        assertThat(Files.isSymbolicLink(folder.resolve("out/source/link.json"))).isFalse();
    }

    @Test
    void snapshotsOfTheHubsCacheKeepTheirOrigin() throws IOException {
        String commit = "0123456789abcdef0123456789abcdef01234567";
        Path snapshot = folder.resolve("models--org--name/snapshots/" + commit);
        Files.createDirectories(snapshot);
        Files.writeString(snapshot.resolve("config.json"), "{}");
        var result = Archives.pack(folder.resolve("s.tar"), 1, Optional.empty(), snapshot);
        assertThat(result.manifest().origins())
                .isEqualTo(Map.of("name", Map.of("repo", "org/name", "commit", commit)));
        assertThat(result.manifest().files().getFirst().path()).isEqualTo("name/config.json");
    }

    @Test
    void anyBytesOfAFileAreReadWithoutTheRest() throws IOException {
        Path archive = folder.resolve("family.tar");
        Archives.pack(archive, 2, Optional.of(BASE), TUNED.resolve("model.safetensors"));
        byte[] whole = Files.readAllBytes(TUNED.resolve("model.safetensors"));
        try (var reader = ArchiveReader.open(archive);
                var channel = FileChannel.open(BASE.resolve("model.safetensors"));
                Arena arena = Arena.ofConfined()) {
            var base = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            try (var blocks = reader.blocks(List.of(base))) {
                var random = new Random(9);
                for (int i = 0; i < 20; i++) {
                    int from = random.nextInt(whole.length);
                    int length = random.nextInt(Math.min(whole.length - from, 1 << 17));
                    byte[] some = new byte[length];
                    blocks.read(0, from, some, length);
                    assertThat(some).isEqualTo(Arrays.copyOfRange(whole, from, from + length));
                }
            }
        }
    }

    @Test
    void nothingIsOverwrittenAndNothingIsLeftHalf() throws IOException {
        Path archive = Files.writeString(folder.resolve("there.tar"), "mine");
        assertThatThrownBy(() -> Archives.pack(archive, 1, Optional.empty(), BASE))
                .isInstanceOf(ConversionException.OutputExists.class);
        assertThat(archive).hasContent("mine");
        Path empty = folder.resolve("nothing");
        Files.createDirectory(empty);
        assertThatThrownBy(() -> Archives.pack(folder.resolve("e.tar"), 1, Optional.empty(), empty))
                .isInstanceOf(ConversionException.NothingMatched.class);
        try (var left = Files.list(folder)) {
            assertThat(left).containsExactlyInAnyOrder(archive, empty);
        }
    }

    @Test
    void manifestComesFirstAndLast() throws IOException {
        Path archive = folder.resolve("m.tar");
        Archives.pack(archive, 1, Optional.empty(), BASE);
        byte[] bytes = Files.readAllBytes(archive);
        assertThat(
                        new String(
                                bytes,
                                0,
                                Manifest.MEMBER.length(),
                                java.nio.charset.StandardCharsets.US_ASCII))
                .isEqualTo(Manifest.MEMBER);
        assertThat(bytes.length % 512).isZero();
    }

    private static void assertSame(Path expected, Path actual) throws IOException {
        Map<String, byte[]> wanted = Archives.contents(expected);
        Map<String, byte[]> found = Archives.contents(actual);
        assertThat(found.keySet()).isEqualTo(wanted.keySet());
        wanted.forEach((path, bytes) -> assertThat(found.get(path)).as(path).isEqualTo(bytes));
    }
}
