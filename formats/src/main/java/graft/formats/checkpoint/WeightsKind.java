package graft.formats.checkpoint;

import graft.formats.pickle.PickleReader;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.TensorFile;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The formats of weights and their names on the Hub, in the order of transformers' preference. */
enum WeightsKind {
    SAFETENSORS("model.safetensors", List.of(".safetensors")) {
        @Override
        TensorFile open(Path file) throws IOException {
            return SafetensorsReader.open(file);
        }
    },
    PICKLE("pytorch_model.bin", List.of(".bin", ".pt", ".pth", ".ckpt")) {
        @Override
        TensorFile open(Path file) throws IOException {
            return PickleReader.open(file);
        }
    };

    /** The file of an unsharded model. */
    final String single;

    /** The index of a sharded model. */
    final String index;

    private final List<String> endings;

    WeightsKind(String single, List<String> endings) {
        this.single = single;
        this.index = single + ".index.json";
        this.endings = endings;
    }

    abstract TensorFile open(Path file) throws IOException;

    /** Whether a file of this name may be one. */
    boolean isNamed(String file) {
        String lower = file.toLowerCase(Locale.ROOT);
        return endings.stream().anyMatch(lower::endsWith);
    }

    /** The kind of {@code file} by its name; safetensors if that says nothing. */
    static WeightsKind of(Path file) {
        return PICKLE.isNamed(file.toString()) ? PICKLE : SAFETENSORS;
    }
}
