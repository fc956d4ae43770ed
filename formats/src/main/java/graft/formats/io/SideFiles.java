package graft.formats.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** What lies beside a model's weights and is needed to use it: configuration and tokenizer. */
public final class SideFiles {
    private static final List<String> ENDINGS = List.of(".json", ".txt", ".model", ".jinja");
    private static final Set<String> NOT_SIDE =
            Set.of("model.safetensors.index.json", "pytorch_model.bin.index.json", "graft.json");
    private static final long LARGEST_BYTES = 1 << 28;

    private SideFiles() {}

    /** Copies them from one folder into another; nothing if {@code from} is a file. */
    public static void copy(Path from, Path to) throws IOException {
        if (!Files.isDirectory(from)) {
            return;
        }
        List<Path> files;
        try (var entries = Files.list(from)) {
            files = entries.filter(Files::isRegularFile).sorted().toList();
        }
        for (Path file : files) {
            String name = file.getFileName().toString();
            String lower = name.toLowerCase(Locale.ROOT);
            if (ENDINGS.stream().anyMatch(lower::endsWith)
                    && !NOT_SIDE.contains(name)
                    && Files.size(file) <= LARGEST_BYTES) {
                Files.copy(file, to.resolve(name), StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }
}
