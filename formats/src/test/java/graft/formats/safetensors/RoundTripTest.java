package graft.formats.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

class RoundTripTest {
    private static final String[] PARTS = {
        "layer",
        ".",
        "0",
        "\u0438\u043c\u044f",
        "\ud83d\ude00",
        "\"",
        "\\",
        "\n",
        "/",
        "\u0001",
        " ",
        "_"
    };

    @TempDir Path folder;

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {11, 12, 13, 14, 15, 16})
    void whatIsWrittenIsRead(long seed) throws IOException {
        var random = new Random(seed);
        Map<TensorInfo, byte[]> tensors = tensors(random);
        Map<String, String> metadata = new HashMap<>();
        for (int i = random.nextInt(5); i > 0; i--) {
            metadata.put(text(random), text(random));
        }
        Path file = write("one.safetensors", random, tensors, metadata);
        assertThat(write("two.safetensors", random, tensors, metadata))
                .hasSameBinaryContentAs(file); // whatever the order of tensors and of writing
        try (var reader = SafetensorsReader.open(file)) {
            assertThat(reader.tensors()).containsExactlyInAnyOrderElementsOf(tensors.keySet());
            assertThat(reader.metadata()).isEqualTo(metadata);
            assertThat(reader.headerBytes() % 8).isZero();
            long data = tensors.keySet().stream().mapToLong(TensorInfo::bytes).sum();
            assertThat(Files.size(file)).isEqualTo(reader.headerBytes() + data);
            tensors.forEach((info, bytes) ->
                    assertThat(reader.bytes(info.name()).toArray(ValueLayout.JAVA_BYTE))
                            .as(info.toString())
                            .isEqualTo(bytes));
        }
    }

    private Path write(
            String name,
            Random random,
            Map<TensorInfo, byte[]> tensors,
            Map<String, String> metadata)
            throws IOException {
        Path file = folder.resolve(name);
        List<TensorInfo> order = new ArrayList<>(tensors.keySet());
        Collections.shuffle(order, random);
        try (var writer = SafetensorsWriter.create(file, order, metadata)) {
            Collections.shuffle(order, random);
            for (TensorInfo info : order) {
                var bytes = MemorySegment.ofArray(tensors.get(info));
                long cut = random.nextInt((int) info.bytes() + 1);
                writer.write(info.name(), cut, bytes.asSlice(cut));
                writer.write(info.name(), 0, bytes.asSlice(0, cut));
            }
        }
        return file;
    }

    private static Map<TensorInfo, byte[]> tensors(Random random) {
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        for (int i = random.nextInt(40); i > 0; i--) {
            String name = text(random);
            DType type = DType.values()[random.nextInt(DType.values().length)];
            long[] extents = new long[random.nextInt(4)];
            for (int axis = 0; axis < extents.length; axis++) {
                extents[axis] = random.nextInt(5);
            }
            if (type.bits() < 8) {
                extents = new long[] {random.nextInt(4), 4}; // four of six bits fill three bytes
            }
            infos.put(name, new TensorInfo(name, type, Shape.of(extents)));
        }
        Map<TensorInfo, byte[]> tensors = new LinkedHashMap<>();
        for (TensorInfo info : infos.values()) {
            byte[] bytes = new byte[(int) info.bytes()];
            random.nextBytes(bytes);
            tensors.put(info, bytes);
        }
        return tensors;
    }

    private static String text(Random random) {
        var text = new StringBuilder("t").append(random.nextInt(1000));
        for (int i = random.nextInt(6); i > 0; i--) {
            text.append(PARTS[random.nextInt(PARTS.length)]);
        }
        return text.toString();
    }
}
