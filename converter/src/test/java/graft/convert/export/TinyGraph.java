package graft.convert.export;

import com.google.protobuf.ByteString;

import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.ModelProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.OperatorSetIdProto;
import graft.formats.onnx.proto.StringStringEntryProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.TypeProto;
import graft.formats.onnx.proto.ValueInfoProto;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Graphs of a few nodes, written as exporters write them, or as attackers do. */
final class TinyGraph {
    static final int FLOAT = TensorProto.DataType.FLOAT_VALUE;
    static final int INT64 = TensorProto.DataType.INT64_VALUE;

    private final GraphProto.Builder graph = GraphProto.newBuilder().setName("tiny");
    private final ModelProto.Builder model = ModelProto.newBuilder().setIrVersion(8);

    TinyGraph() {
        model.addOpsetImport(OperatorSetIdProto.newBuilder().setDomain("").setVersion(17));
    }

    GraphProto.Builder graph() {
        return graph;
    }

    ModelProto.Builder model() {
        return model;
    }

    TinyGraph input(String name, int type, Object... dims) {
        graph.addInput(value(name, type, dims));
        return this;
    }

    TinyGraph output(String name, Object... dims) {
        graph.addOutput(value(name, FLOAT, dims));
        return this;
    }

    static ValueInfoProto value(String name, int type, Object... dims) {
        var tensor = TypeProto.Tensor.newBuilder().setElemType(type);
        for (Object dim : dims) {
            if (dim instanceof String word) {
                tensor.getShapeBuilder().addDimBuilder().setDimParam(word);
            } else {
                tensor.getShapeBuilder().addDimBuilder().setDimValue(((Number) dim).longValue());
            }
        }
        return ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder().setTensorType(tensor))
                .build();
    }

    TinyGraph weight(String name, float[] values, long... dims) {
        var bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putFloat(value);
        }
        var tensor =
                TensorProto.newBuilder()
                        .setName(name)
                        .setDataType(FLOAT)
                        .setRawData(ByteString.copyFrom(bytes.flip()));
        for (long dim : dims) {
            tensor.addDims(dim);
        }
        graph.addInitializer(tensor);
        return this;
    }

    /** An initializer whose data another file claims to hold. */
    TinyGraph external(String name, long[] dims, String location, String... more) {
        var tensor =
                TensorProto.newBuilder()
                        .setName(name)
                        .setDataType(FLOAT)
                        .setDataLocation(TensorProto.DataLocation.EXTERNAL)
                        .addExternalData(entry("location", location));
        for (int i = 0; i < more.length; i += 2) {
            tensor.addExternalData(entry(more[i], more[i + 1]));
        }
        for (long dim : dims) {
            tensor.addDims(dim);
        }
        graph.addInitializer(tensor);
        return this;
    }

    private static StringStringEntryProto entry(String key, String value) {
        return StringStringEntryProto.newBuilder().setKey(key).setValue(value).build();
    }

    TinyGraph node(String op, String name, String output, String... inputs) {
        graph.addNode(
                NodeProto.newBuilder()
                        .setOpType(op)
                        .setName(name)
                        .addOutput(output)
                        .addAllInput(List.of(inputs)));
        return this;
    }

    Path write(Path file) throws IOException {
        Files.write(file, model.setGraph(graph).build().toByteArray());
        return file;
    }
}
