package graft.formats.tensor;

import java.util.List;
import java.util.Map;

/** Tensors of one file on disk. */
public interface TensorFile extends TensorSource {
    /** Bytes read to open it: everything but tensor data. */
    long headerBytes();

    /** What the file says of itself; empty if the format has no place for it. */
    Map<String, String> metadata();

    /** What was accepted but should not be in the file, a line each. */
    List<String> warnings();

    @Override
    void close();
}
