package graft.formats.peft;

import graft.formats.fuzz.Fuzzing;

import java.nio.file.Path;

/** Any bytes as {@code adapter_config.json}. */
public final class AdapterConfigFuzzer {
    private AdapterConfigFuzzer() {}

    public static void fuzzerTestOneInput(byte[] input) {
        Path file = Fuzzing.file(AdapterConfig.FILE_NAME, input);
        Fuzzing.check(() -> AdapterConfig.read(file).rank("model.layers.0.self_attn.q_proj"));
    }
}
