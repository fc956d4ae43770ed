package graft.formats.checkpoint;

import graft.formats.fuzz.Fuzzing;

import java.io.ByteArrayInputStream;
import java.nio.file.Path;

/** Any bytes as the index of a sharded checkpoint. */
public final class IndexFuzzer {
    private static final Path FOLDER = Path.of("/models/one");

    private IndexFuzzer() {}

    public static void fuzzerTestOneInput(byte[] input) {
        Fuzzing.check(() -> {
            var index =
                    ShardIndex.parse(
                            FOLDER.resolve("index.json"),
                            new ByteArrayInputStream(input),
                            WeightsKind.SAFETENSORS);
            for (String shard : index.shards()) {
                Path path = FOLDER.resolve(shard).normalize();
                if (!FOLDER.equals(path.getParent())) {
                    throw new AssertionError("a shard outside its folder: " + path);
                }
            }
        });
    }
}
