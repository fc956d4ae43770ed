package graft.formats.onnx;

import graft.formats.onnx.proto.StringStringEntryProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.TensorInfo;

import java.util.Arrays;

/**
 * A place in a file beside a graph, of any format, where a tensor's bytes lie.
 *
 * @param location name of the file, relative to the graph's folder
 * @param offset of the first byte; need not be aligned, though a multiple of 4096 maps best
 */
public record ExternalFile(String location, long offset) {
    /** An initializer whose bytes lie here. */
    public TensorProto initializer(TensorInfo info) {
        TensorProto.Builder tensor =
                TensorProto.newBuilder()
                        .setName(info.name())
                        .setDataType(OnnxTypes.of(info.dtype()).getNumber())
                        .setDataLocation(TensorProto.DataLocation.EXTERNAL)
                        .addExternalData(entry("location", location))
                        .addExternalData(entry("offset", Long.toString(offset)))
                        .addExternalData(entry("length", Long.toString(info.bytes())));
        Arrays.stream(info.shape().toArray()).forEach(tensor::addDims);
        return tensor.build();
    }

    private static StringStringEntryProto entry(String key, String value) {
        return StringStringEntryProto.newBuilder().setKey(key).setValue(value).build();
    }
}
