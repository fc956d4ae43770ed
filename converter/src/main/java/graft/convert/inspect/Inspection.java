package graft.convert.inspect;

import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What was found. A value.
 *
 * @param source path as the user typed it
 * @param kind what it is
 * @param files file names, relative to the source
 * @param fileBytes bytes of those files
 * @param bytesRead bytes that finding out took: headers and configuration
 * @param tensors in the order of their bytes
 * @param facts what the kind adds, by name: modules, ranks and scales of an adapter, method and
 *     density of a delta, opset of a graph
 * @param warnings what was accepted but should not be there
 */
public record Inspection(
        String source,
        Kind kind,
        List<String> files,
        long fileBytes,
        long bytesRead,
        List<TensorInfo> tensors,
        Map<String, Object> facts,
        List<String> warnings) {
    /** Kinds of things Graft reads. */
    public enum Kind {
        CHECKPOINT("checkpoint"),
        ADAPTER("adapter"),
        DELTA("sparse delta"),
        GRAPH("ONNX graph"),
        SLOTS("adapter for the slots of an ONNX graph");

        private final String words;

        Kind(String words) {
            this.words = words;
        }

        /** What people call it. */
        public String words() {
            return words;
        }
    }

    public Inspection {
        files = List.copyOf(files);
        tensors = List.copyOf(tensors);
        warnings = List.copyOf(warnings);
    }

    /** The same, found out by reading so many bytes. */
    public Inspection withBytesRead(long bytes) {
        return new Inspection(source, kind, files, fileBytes, bytes, tensors, facts, warnings);
    }

    /** Numbers in all tensors. */
    public long parameters() {
        return tensors.stream().mapToLong(info -> info.shape().elements()).sum();
    }

    /** Tensors per element type. */
    public Map<DType, Long> dtypes() {
        Map<DType, Long> counts = new TreeMap<>();
        tensors.forEach(info -> counts.merge(info.dtype(), 1L, Long::sum));
        return counts;
    }
}
