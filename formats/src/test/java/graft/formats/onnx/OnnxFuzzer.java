package graft.formats.onnx;

import graft.formats.fuzz.Fuzzing;

import java.nio.file.Path;

/** Any bytes as an ONNX graph. */
public final class OnnxFuzzer {
    private OnnxFuzzer() {}

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
