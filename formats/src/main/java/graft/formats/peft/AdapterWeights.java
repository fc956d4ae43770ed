package graft.formats.peft;

import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * The file that holds an adapter's tensors, safetensors or pickle.
 *
 * @param path the file
 * @param source its tensors
 */
record AdapterWeights(Path path, TensorSource source) implements AutoCloseable {
    static AdapterWeights open(Path file) throws IOException {
        if (file.toString().endsWith(".safetensors")) {
            return new AdapterWeights(file, SafetensorsReader.open(file));
        }
        throw new UnsupportedFeatureException(
                FileSpot.of(file),
                "pickled weights are not read",
                "save the adapter as safetensors (save_pretrained does so by default)");
    }

    FileSpot spot() {
        return FileSpot.of(path);
    }

    /** Where a tensor lies, as far as the format can tell. */
    FileSpot spot(TensorInfo info) {
        long offset =
                source instanceof SafetensorsReader file
                        ? file.fileOffset(info.name())
                        : FileSpot.UNKNOWN;
        return FileSpot.of(path.toString(), offset).tensor(info.name());
    }

    long headerBytes() {
        return source instanceof SafetensorsReader file ? file.headerBytes() : 0;
    }

    Map<String, String> metadata() {
        return source instanceof SafetensorsReader file ? file.metadata() : Map.of();
    }

    List<String> warnings() {
        return source instanceof SafetensorsReader file ? file.warnings() : List.of();
    }

    @Override
    public void close() throws IOException {
        source.close();
    }
}
