package graft.convert.export;

import graft.formats.peft.PeftAdapter;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Copies of adapters with their factors alone. */
final class HeadlessAdapter {
    private HeadlessAdapter() {}

    /** Makes {@code copy}. */
    static Path of(Path source, Path copy) throws IOException {
        Files.createDirectory(copy);
        try (var adapter = PeftAdapter.open(source)) {
            String config = Files.readString(source.resolve("adapter_config.json"));
            Files.writeString(
                    copy.resolve("adapter_config.json"),
                    config.replaceAll(
                            "(?s)\"modules_to_save\": \\[[^]]*\\]", "\"modules_to_save\": null"));
            List<TensorInfo> infos =
                    adapter.modules().stream().flatMap(m -> m.tensors().stream()).toList();
            try (var out =
                    SafetensorsWriter.create(
                            copy.resolve("adapter_model.safetensors"), infos, Map.of())) {
                for (TensorInfo info : infos) {
                    out.write(info.name(), 0, adapter.bytes(info));
                }
            }
        }
        return copy;
    }
}
