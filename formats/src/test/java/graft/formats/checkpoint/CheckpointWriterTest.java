package graft.formats.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;

import graft.formats.Testdata;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

class CheckpointWriterTest {
    private static final Map<String, String> FORMAT = Map.of("format", "pt");
    private static final Path SHARDED = Testdata.path("safetensors/sharded");

    @TempDir Path folder;

    /**
     * huggingface_hub 2.4.0 wrote {@code good} and the others from one state dict; the first has no
     * tensor above the size, so that its index lists them in the order of the dict.
     */
    @ParameterizedTest
    @CsvSource({"good, 0", "good_oversize_tensor, 1"})
    void filesAreThoseOfHuggingfaceHub(String dir, int third) throws IOException {
        JsonNode index = Testdata.json("safetensors/sharded/good/model.safetensors.index.json");
        List<TensorInfo> tensors = new ArrayList<>();
        try (var good = Checkpoint.open(SHARDED.resolve("good"))) {
            index.get("weight_map")
                    .fieldNames()
                    .forEachRemaining(name -> tensors.add(good.find(name).orElseThrow()));
            long big = tensors.stream().mapToLong(TensorInfo::bytes).max().orElseThrow();
            long most = third == 0 ? big + 200 : big / 3;
            try (var out = CheckpointWriter.create(folder, tensors, FORMAT, most)) {
                for (TensorInfo info : tensors.reversed()) {
                    out.write(info.name(), 0, good.bytes(info.name()));
                }
            }
        }
        assertSameFiles(SHARDED.resolve(dir), folder);
    }

    @Test
    void oneShardHasNoIndex() throws IOException {
        Path single = SHARDED.resolve("good_single");
        try (var model = Checkpoint.open(single);
                var out =
                        CheckpointWriter.create(
                                folder,
                                model.tensors(),
                                FORMAT,
                                CheckpointWriter.DEFAULT_SHARD_BYTES)) {
            for (TensorInfo info : model.tensors()) {
                out.write(info.name(), 0, model.bytes(info.name()));
            }
        }
        assertSameFiles(single, folder);
    }

    private static void assertSameFiles(Path expected, Path actual) throws IOException {
        try (Stream<Path> files = Files.list(expected)) {
            List<Path> names = files.map(Path::getFileName).sorted().toList();
            try (Stream<Path> written = Files.list(actual)) {
                assertThat(written.map(Path::getFileName).sorted().toList()).isEqualTo(names);
            }
            for (Path name : names) {
                assertThat(actual.resolve(name)).hasSameBinaryContentAs(expected.resolve(name));
            }
        }
    }

    /** {@code json.dump} of Python 3 for these names. */
    @Test
    void namesAreEscapedAsPythonDoes() throws IOException {
        List<TensorInfo> tensors =
                Stream.of("имя", "a\"b\\c/d", "\u0001\u007f\n\ud83d\ude00")
                        .map(name -> new TensorInfo(name, DType.U8, Shape.of(1)))
                        .toList();
        CheckpointWriter.create(folder, tensors, Map.of(), 1).close();
        assertThat(Files.readString(folder.resolve("model.safetensors.index.json")))
                .isEqualTo(
                        """
                        {
                          "metadata": {
                            "total_size": 3
                          },
                          "weight_map": {
                            "\\u0438\\u043c\\u044f": "model-00001-of-00003.safetensors",
                            "a\\"b\\\\c/d": "model-00002-of-00003.safetensors",
                            "\\u0001\\u007f\\n\\ud83d\\ude00": "model-00003-of-00003.safetensors"
                          }
                        }\
                        """);
    }

    @Test
    void whatIsThereIsNotOverwritten() throws IOException {
        Path there = Files.writeString(folder.resolve("model.safetensors"), "mapped by someone");
        var tensor = new TensorInfo("w", DType.U8, Shape.of(1));
        assertThatThrownBy(() -> CheckpointWriter.create(folder, List.of(tensor), Map.of(), 9))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThat(there).hasContent("mapped by someone");
    }

    @Test
    void twoTensorsOfOneNameAreRefused() {
        var tensor = new TensorInfo("w", DType.U8, Shape.of(4));
        assertThatThrownBy(
                        () -> CheckpointWriter.create(folder, List.of(tensor, tensor), Map.of(), 4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("two tensors named w");
    }

    @Test
    void tensorThatWasNotPlannedIsRefused() throws IOException {
        try (var out = CheckpointWriter.create(folder, List.of(), Map.of(), 4)) {
            assertThatThrownBy(() -> out.write("w", 0, MemorySegment.ofArray(new byte[1])))
                    .hasMessage("not planned: 'w'");
        }
    }
}
