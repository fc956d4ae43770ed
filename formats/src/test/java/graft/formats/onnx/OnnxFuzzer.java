package graft.formats.onnx;

import graft.formats.fuzz.Fuzzing;
import graft.formats.onnx.proto.GraphProto;
import graft.formats.onnx.proto.ModelProto;
import graft.formats.onnx.proto.NodeProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.onnx.proto.ValueInfoProto;

import java.nio.file.Path;

/** Any bytes as an ONNX graph. */
public final class OnnxFuzzer {
    private OnnxFuzzer() {}

    /** Has the generated classes instrumented before the first input, which is timed. */
    public static void fuzzerInitialize() {
        var weight =
                TensorProto.newBuilder()
                        .setName("w")
                        .setDataType(TensorProto.DataType.FLOAT_VALUE)
                        .addDims(1)
                        .addFloatData(1);
        var graph =
                GraphProto.newBuilder()
                        .addNode(
                                NodeProto.newBuilder()
                                        .setOpType("Abs")
                                        .addInput("w")
                                        .addOutput("y"))
                        .addInitializer(weight)
                        .addOutput(ValueInfoProto.newBuilder().setName("y"));
        fuzzerTestOneInput(ModelProto.newBuilder().setGraph(graph).build().toByteArray());
    }

    public static void fuzzerTestOneInput(byte[] input) {
        Path file = Fuzzing.file("fuzz.onnx", input);
        Fuzzing.check(() -> {
            try (var model = OnnxModel.open(file)) {
                for (var info : model.tensors()) {
                    if (model.bytes(info.name()).byteSize() != info.bytes()) {
                        throw new AssertionError("another size than " + info);
                    }
                }
            }
        });
    }
}
