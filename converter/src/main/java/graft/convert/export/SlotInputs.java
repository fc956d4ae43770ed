package graft.convert.export;

import com.google.protobuf.ByteString;

import graft.formats.onnx.ExternalDataWriter;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.TensorShapeProto;
import graft.formats.onnx.proto.TypeProto;
import graft.formats.onnx.proto.ValueInfoProto;
import graft.formats.tensor.DType;

/** Optional inputs of a graph: what declares them, and what they hold when nothing fills them. */
final class SlotInputs {
    private SlotInputs() {}

    static ValueInfoProto input(String name, DType type, TensorShapeProto.Dimension... dims) {
        var shape = TensorShapeProto.newBuilder();
        for (TensorShapeProto.Dimension dim : dims) {
            shape.addDim(dim);
        }
        var tensor =
                TypeProto.Tensor.newBuilder()
                        .setElemType(ExternalDataWriter.typeNumber(type))
                        .setShape(shape);
        return ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder().setTensorType(tensor))
                .build();
    }

    static TensorShapeProto.Dimension dim(long extent) {
        return TensorShapeProto.Dimension.newBuilder().setDimValue(extent).build();
    }

    static TensorShapeProto.Dimension dim(String name) {
        return TensorShapeProto.Dimension.newBuilder().setDimParam(name).build();
    }

    /**
     * A default without elements.
     *
     * @param dims of which one is 0
     */
    static TensorProto empty(String name, DType type, long... dims) {
        TensorProto.Builder tensor =
                TensorProto.newBuilder()
                        .setName(name)
                        .setDataType(ExternalDataWriter.typeNumber(type))
                        .setRawData(ByteString.EMPTY);
        for (long dim : dims) {
            tensor.addDims(dim);
        }
        return tensor.build();
    }
}
