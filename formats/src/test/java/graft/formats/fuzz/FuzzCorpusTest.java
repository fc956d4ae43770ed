package graft.formats.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import graft.formats.Testdata;
import graft.formats.checkpoint.IndexFuzzer;
import graft.formats.onnx.OnnxFuzzer;
import graft.formats.peft.AdapterConfigFuzzer;
import graft.formats.pickle.PickleFuzzer;
import graft.formats.pickle.TorchFileFuzzer;
import graft.formats.safetensors.SafetensorsFuzzer;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.Consumer;

/**
 * Replays the seeds and the findings of the fuzz targets, and cuts and flips each seed a little:
 * what {@code build/fuzz} does for as long as one likes.
 */
class FuzzCorpusTest {
    private static final int MUTANTS = 40;

    enum Target {
        SAFETENSORS(SafetensorsFuzzer::fuzzerTestOneInput),
        INDEX(IndexFuzzer::fuzzerTestOneInput),
        ADAPTER_CONFIG(AdapterConfigFuzzer::fuzzerTestOneInput),
        PICKLE(PickleFuzzer::fuzzerTestOneInput),
        TORCH_FILE(TorchFileFuzzer::fuzzerTestOneInput),
        ONNX(OnnxFuzzer::fuzzerTestOneInput);

        private final Consumer<byte[]> read;

        Target(Consumer<byte[]> read) {
            this.read = read;
        }
    }

    @ParameterizedTest
    @EnumSource
    @Timeout(120)
    void seedsAndFindingsAreReadOrRefused(Target target) throws IOException {
        long seed = 20261125;
        var random = new Random(seed);
        List<Path> files;
        try (var found =
                Files.walk(Testdata.path("fuzz/" + target.name().toLowerCase(Locale.ROOT)))) {
            files = found.filter(Files::isRegularFile).sorted().toList();
        }
        assertThat(files).isNotEmpty();
        for (Path file : files) {
            byte[] input = Files.readAllBytes(file);
            run(target, input, file + " as it is");
            for (int i = 0; i < MUTANTS; i++) {
                run(
                        target,
                        mutant(random, input),
                        "%s, mutant %d of seed %d".formatted(file, i, seed));
            }
        }
    }

    private static void run(Target target, byte[] input, String what) {
        try {
            target.read.accept(input);
        } catch (Throwable e) {
            throw new AssertionError(what, e);
        }
    }

    private static byte[] mutant(Random random, byte[] input) {
        int length = random.nextInt(8) == 0 ? random.nextInt(input.length + 1) : input.length;
        byte[] mutant = Arrays.copyOf(input, length);
        for (int flips = random.nextInt(4); flips >= 0 && length > 0; flips--) {
            mutant[random.nextInt(length)] = (byte) random.nextInt(256);
        }
        return mutant;
    }
}
