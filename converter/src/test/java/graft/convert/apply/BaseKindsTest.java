package graft.convert.apply;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.plan.Progress;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Python;
import graft.formats.safetensors.SafetensorsReader;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** An adapter on a base in shards, or in a pickle, gives what it gives on one file. */
class BaseKindsTest {
    private static final Path ADAPTERS =
            Path.of(System.getProperty("graft.root"), "testdata/adapters");
    private static final Path BASE = ADAPTERS.resolve("bases/llm/base.safetensors");

    @TempDir Path folder;

    @Test
    void shardsKeepTheirNamesAndGiveTheSameTensors() throws IOException {
        Path base = Files.createDirectory(folder.resolve("base"));
        List<String> entries = new ArrayList<>();
        try (var file = SafetensorsReader.open(BASE)) {
            List<TensorInfo> all = List.copyOf(file.tensors());
            int half = all.size() / 2;
            for (int part = 0; part < 2; part++) {
                String name = "model-0000%d-of-00002.safetensors".formatted(part + 1);
                List<TensorInfo> infos =
                        part == 0 ? all.subList(0, half) : all.subList(half, all.size());
                try (var shard =
                        SafetensorsWriter.create(
                                base.resolve(name), infos, Map.of("format", "pt"))) {
                    for (TensorInfo info : infos) {
                        shard.write(info.name(), 0, file.bytes(info.name()));
                        entries.add("\"%s\": \"%s\"".formatted(info.name(), name));
                    }
                }
            }
        }
        Files.writeString(
                base.resolve("model.safetensors.index.json"),
                entries.stream().collect(Collectors.joining(",", "{\"weight_map\": {", "}}")));

        Path out = apply(base, "sharded");

        assertThat(out.resolve("model.safetensors.index.json")).isNotEmptyFile();
        assertThat(out.resolve("model-00001-of-00002.safetensors")).isNotEmptyFile();
        assertSame(
                List.of(
                        out.resolve("model-00001-of-00002.safetensors"),
                        out.resolve("model-00002-of-00002.safetensors")));
    }

    @Test
    void pickledBaseGivesTheSameTensors() throws Exception {
        Path base = Files.createDirectory(folder.resolve("base"));
        Python.with("torch", "safetensors")
                .run(
                        "save_pickled.py",
                        BASE.toString(),
                        List.of(base.resolve("pytorch_model.bin").toString()));
        Path out = apply(base, "pickled");
        try (var files = Files.list(out)) {
            assertSame(files.filter(f -> f.toString().endsWith(".safetensors")).toList());
        }
    }

    private void assertSame(List<Path> files) throws IOException {
        Path expected = apply(BASE, "single").resolve(BASE.getFileName());
        int tensors = 0;
        try (var whole = SafetensorsReader.open(expected)) {
            for (Path file : files) {
                try (var part = SafetensorsReader.open(file)) {
                    for (TensorInfo info : part.tensors()) {
                        assertThat(whole.find(info.name())).contains(info);
                        assertThat(Checkpoints.values(part, info.name()))
                                .containsExactly(Checkpoints.values(whole, info.name()));
                        tensors++;
                    }
                }
            }
            assertThat(tensors).isEqualTo(whole.tensors().size()).isPositive();
        }
    }

    private Path apply(Path base, String name) throws IOException {
        Path out = folder.resolve(name);
        new ApplyAdapter()
                .run(
                        new AdapterRequest(
                                ADAPTERS.resolve("linear_r8/adapter"),
                                "linear_r8",
                                List.of(new AdapterRequest.Base("", base, "base")),
                                null,
                                Rounding.ONCE,
                                out,
                                false,
                                2,
                                Progress.NONE));
        return out;
    }
}
