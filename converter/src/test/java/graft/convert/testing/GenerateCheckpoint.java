package graft.convert.testing;

import graft.formats.safetensors.SafetensorsReader;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Writes large models with random weights, in constant memory: a bf16 checkpoint, a fine-tune of
 * it, or an adapter. Same arguments, same bytes.
 */
public final class GenerateCheckpoint {
    private static final int TILE = 1 << 16;
    private static final int HIDDEN = 2048;

    private GenerateCheckpoint() {}

    /**
     * A model of square layers; with {@code base}, its weights moved by a hundredth of their size.
     */
    public static void model(Path file, int layers, long seed, @Nullable Path base)
            throws IOException {
        List<TensorInfo> tensors = new ArrayList<>();
        tensors.add(
                new TensorInfo("model.embed_tokens.weight", DType.BF16, Shape.of(32_000, HIDDEN)));
        for (int i = 0; i < layers; i++) {
            String layer = "model.layers.%03d.".formatted(i);
            tensors.add(
                    new TensorInfo(
                            layer + "mlp.weight", DType.BF16, Shape.of(4L * HIDDEN, HIDDEN)));
            tensors.add(new TensorInfo(layer + "norm.weight", DType.BF16, Shape.of(HIDDEN)));
        }
        if (base == null) {
            write(file, tensors, seed, 0.02f, null);
            return;
        }
        try (var reader = SafetensorsReader.open(base)) {
            write(file, tensors, seed, 0.0002f, reader);
        }
    }

    /** A LoRA adapter of {@code modules} square modules, with its configuration. */
    public static void adapter(Path folder, int modules, int rank, long seed) throws IOException {
        Files.createDirectories(folder);
        List<TensorInfo> tensors = new ArrayList<>();
        for (int i = 0; i < modules; i++) {
            String module = "base_model.model.model.layers.%03d.q_proj.lora_".formatted(i);
            tensors.add(
                    new TensorInfo(module + "A.weight", DType.BF16, Shape.of(rank, 4L * HIDDEN)));
            tensors.add(
                    new TensorInfo(module + "B.weight", DType.BF16, Shape.of(4L * HIDDEN, rank)));
        }
        write(folder.resolve("adapter_model.safetensors"), tensors, seed, 0.02f, null);
        Files.writeString(
                folder.resolve("adapter_config.json"),
                "{\"peft_type\": \"LORA\", \"r\": %d, \"lora_alpha\": %d, \"target_modules\": [\"q_proj\"]}"
                        .formatted(rank, 2 * rank));
    }

    private static void write(
            Path file,
            List<TensorInfo> tensors,
            long seed,
            float size,
            @Nullable SafetensorsReader base)
            throws IOException {
        float[] values = new float[TILE];
        float[] before = new float[TILE];
        long state = seed;
        try (var writer = SafetensorsWriter.create(file, tensors, Map.of("format", "pt"));
                Arena arena = Arena.ofConfined()) {
            MemorySegment tile = arena.allocate(2L * TILE);
            for (TensorInfo info : tensors) {
                for (long first = 0; first < info.shape().elements(); first += TILE) {
                    int count = (int) Math.min(TILE, info.shape().elements() - first);
                    for (int i = 0; i < count; i++) {
                        state = state * 0x5851F42D4C957F2DL + 0x14057B7EF767814FL;
                        int four = (int) (state >>> 32); // the sum of four bytes is bell-shaped
                        int sum =
                                (four & 255)
                                        + (four >>> 8 & 255)
                                        + (four >>> 16 & 255)
                                        + (four >>> 24);
                        values[i] = size * (sum - 510) / 148f;
                    }
                    if (base != null) {
                        Elements.widen(
                                DType.BF16, base.bytes(info.name()), first, before, 0, count);
                        for (int i = 0; i < count; i++) {
                            values[i] += before[i];
                        }
                    }
                    Elements.narrow(DType.BF16, values, 0, tile, 0, count);
                    writer.write(info.name(), 2 * first, tile.asSlice(0, 2L * count));
                }
            }
        }
    }
}
