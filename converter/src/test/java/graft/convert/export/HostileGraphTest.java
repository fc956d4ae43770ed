package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import graft.convert.ConversionException;
import graft.formats.FormatException;
import graft.formats.onnx.OnnxAdapter;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.TensorProto;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Graphs and adapters of strangers: one line each, no other file touched, no crash of ours. */
class HostileGraphTest {
    @TempDir Path folder;

    private static TinyGraph matmul() {
        return new TinyGraph()
                .input("x", TinyGraph.FLOAT, "n", 4)
                .node("MatMul", "/fc/MatMul", "y", "x", "w")
                .output("y", "n", 4);
    }

    private static void refused(Path graph, String part) {
        assertThatThrownBy(() -> OnnxModel.open(graph).close())
                .isInstanceOfAny(FormatException.class, java.nio.file.NoSuchFileException.class)
                .satisfies(e ->
                        assertThat(e.getMessage() + " " + e).contains(part).doesNotContain("\n"));
    }

    @ParameterizedTest
    @CsvSource({
        "../secret, is not below the graph's folder",
        "sub/../../secret, is not below the graph's folder",
        "/etc/passwd, is not below the graph's folder",
        "'', is not below the graph's folder",
        "link, is not below the graph's folder",
        "link-folder/secret, is not below the graph's folder",
        "absent, absent"
    })
    void externalDataOutsideTheFolderIsRefused(String location, String part) throws Exception {
        Files.write(folder.resolve("secret"), new byte[64]);
        Path inner = folder.resolve("model");
        Files.createDirectories(inner.resolve("sub"));
        Files.createSymbolicLink(inner.resolve("link"), folder.resolve("secret"));
        Files.createSymbolicLink(inner.resolve("link-folder"), folder);
        Path graph = inner.resolve("m.onnx");
        matmul().external("w", new long[] {4, 4}, location).write(graph);
        refused(graph, part);
    }

    @ParameterizedTest
    @CsvSource({
        "offset, 32, ends at 64",
        "offset, -1, is no size",
        "offset, 9223372036854775807, ends at 64",
        "length, 65, need 64 bytes",
        "length, x, is no size"
    })
    void externalDataPastTheEndIsRefused(String key, String value, String part) throws Exception {
        Files.write(folder.resolve("d"), new byte[64]);
        Path graph = folder.resolve("m.onnx");
        matmul().external("w", new long[] {4, 4}, "d", key, value).write(graph);
        refused(graph, part);
    }

    @Test
    void impossibleAndHugeExtentsAreRefused() throws Exception {
        for (long[] dims :
                List.of(
                        new long[] {Long.MAX_VALUE, 4},
                        new long[] {-1, 4},
                        new long[] {1L << 31, 1L << 31},
                        new long[] {1L << 40, 1})) {
            Path graph = folder.resolve("m.onnx");
            matmul().weight("w", new float[16], dims).write(graph);
            refused(graph, "'w'");
        }
    }

    @Test
    void cyclesDuplicatesAndDanglingReadsAreRefused() throws Exception {
        Path graph = folder.resolve("m.onnx");
        matmul().weight("w", new float[16], 4, 4)
                .node("Add", "late", "z", "y", "later")
                .node("Relu", "later", "later", "z")
                .write(graph);
        refused(graph, "node 'late' reads 'later', which nothing before it writes");
        matmul().weight("w", new float[16], 4, 4).weight("w", new float[16], 4, 4).write(graph);
        refused(graph, "two initializers of this name");
        matmul().weight("w", new float[16], 4, 4).node("Relu", "again", "y", "x").write(graph);
        refused(graph, "writes 'y' a second time");
        matmul().weight("w", new float[16], 4, 4).output("nothing", "n").write(graph);
        refused(graph, "nothing writes the output 'nothing'");
    }

    @Test
    void everyTruncationIsRefused() throws Exception {
        Path whole = matmul().weight("w", new float[16], 4, 4).write(folder.resolve("m.onnx"));
        byte[] bytes = Files.readAllBytes(whole);
        for (int length = 0; length < bytes.length; length++) {
            Path cut = folder.resolve("cut.onnx");
            Files.write(cut, Arrays.copyOf(bytes, length));
            try {
                OnnxModel.open(cut).close(); // a cut between two fields may leave a valid message
            } catch (FormatException e) {
                assertThat(e.getMessage()).contains("cut.onnx");
            }
        }
    }

    @Test
    void damagedAdaptersAreRefusedOrReadWithinTheirFile() throws Exception {
        Path good = folder.resolve("good.onnx_adapter");
        var info =
                new graft.formats.tensor.TensorInfo(
                        "fc.lora_A.weight",
                        graft.formats.tensor.DType.F32,
                        graft.formats.tensor.Shape.of(3, 2));
        try (var out =
                        graft.formats.onnx.OnnxAdapterWriter.create(
                                good,
                                List.of(info),
                                graft.formats.onnx.OnnxAdapterWriter.Versions.FIRST);
                var arena = java.lang.foreign.Arena.ofConfined()) {
            out.write(info.name(), arena.allocate(24));
        }
        byte[] bytes = Files.readAllBytes(good);
        int refused = 0;
        for (int at = 0; at < bytes.length; at++) {
            for (int value : new int[] {0, 1, 0x7f, 0x80, 0xff}) {
                byte[] damaged = bytes.clone();
                damaged[at] = (byte) value;
                Path file = folder.resolve("damaged.onnx_adapter");
                Files.write(file, damaged);
                try (var adapter = OnnxAdapter.open(file)) {
                    adapter.tensors().forEach(t -> adapter.bytes(t.name()).byteSize());
                } catch (FormatException e) {
                    refused++;
                }
            }
            Path cut = folder.resolve("cut.onnx_adapter");
            Files.write(cut, Arrays.copyOf(bytes, at));
            assertThatThrownBy(() -> OnnxAdapter.open(cut).close())
                    .isInstanceOf(FormatException.class);
        }
        assertThat(refused).isPositive();
    }

    /** ONNX Runtime 1.23 to 1.29 reads through null on an optional float16 input that is cast. */
    @Test
    void crashOfOnnxRuntimeIsReported() throws Exception {
        var graph =
                new TinyGraph()
                        .input("x", TinyGraph.FLOAT, "n", 4)
                        .input("w", TensorProto.DataType.FLOAT16_VALUE, 4, 4)
                        .node("Cast", "cast", "wide", "w")
                        .node("MatMul", "/fc/MatMul", "y", "x", "wide")
                        .output("y", "n", 4);
        graph.graph()
                .addInitializer(
                        TensorProto.newBuilder()
                                .setName("w")
                                .setDataType(TensorProto.DataType.FLOAT16_VALUE)
                                .addDims(4)
                                .addDims(4)
                                .setRawData(com.google.protobuf.ByteString.copyFrom(new byte[32])));
        graph.graph().getNodeBuilder(0).addAttribute(GraphEditor.integer("to", TinyGraph.FLOAT));
        Path file = graph.write(folder.resolve("crash.onnx"));
        var gate =
                new GraphGate(
                        "task", file, Optional.empty(), file, GraphGate.Expect.SAME, Map.of());
        assertThatThrownBy(() -> new GateRunner(Duration.ofMinutes(5)).run(List.of(gate), folder))
                .isInstanceOf(ConversionException.CheckFailed.class)
                .hasMessageMatching(
                        "task: ONNX Runtime crashed \\((SIGSEGV|signal 11|EXCEPTION_ACCESS_VIOLATION)\\)");
        assertThat(folder.resolve("gates.json")).doesNotExist();
    }

    @Test
    void graphThatOnnxRuntimeRefusesAndDeadlineAreReported() throws IOException {
        Path file =
                matmul().weight("w", new float[12], 3, 4).write(folder.resolve("mismatch.onnx"));
        var gate =
                new GraphGate(
                        "task", file, Optional.empty(), file, GraphGate.Expect.SAME, Map.of());
        assertThatThrownBy(() -> new GateRunner(Duration.ofMinutes(5)).run(List.of(gate), folder))
                .isInstanceOf(ConversionException.CheckFailed.class)
                .hasMessageContaining("ONNX Runtime: ");
        assertThatThrownBy(() -> new GateRunner(Duration.ofMillis(1)).run(List.of(gate), folder))
                .isInstanceOf(ConversionException.CheckFailed.class)
                .hasMessageContaining("did not finish within");
    }
}
