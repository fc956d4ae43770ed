package graft.formats.peft;

import graft.formats.FileSpot;
import graft.formats.pickle.PickleReader;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.tensor.TensorFile;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.Path;

/**
 * The file that holds an adapter's tensors, safetensors or pickle.
 *
 * @param path the file
 * @param source its tensors
 */
record AdapterWeights(Path path, TensorFile source) implements AutoCloseable {
    static AdapterWeights open(Path file) throws IOException {
        boolean isPickle = file.toString().endsWith(".bin");
        return new AdapterWeights(
                file, isPickle ? PickleReader.open(file) : SafetensorsReader.open(file));
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

    @Override
    public void close() {
        source.close();
    }
}
