package graft.formats.peft;

import graft.formats.peft.dialect.Dialect;
import graft.formats.safetensors.SafetensorsReader;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Where the parts of an adapter lie.
 *
 * @param config its configuration; only peft's dialect has a file for it
 * @param weights its tensors
 */
record AdapterFiles(Optional<Path> config, Path weights) {
    /** Weights in a folder without a configuration; diffusers' name first. */
    static final String DIFFUSERS = "pytorch_lora_weights.safetensors";

    /** No model names its own tensors so; of LyCORIS, which is refused by name, all do. */
    private static final String KOHYA = "lora_";

    private static final String PICKLED = "adapter_model.bin";

    /**
     * @throws NoSuchFileException if there is no adapter at {@code path}
     */
    static AdapterFiles of(Path path) throws IOException {
        return find(path)
                .orElseThrow(() ->
                        new NoSuchFileException(
                                path.toString(),
                                null,
                                "is no adapter: holds no %s and no weights named like an adapter's"
                                        .formatted(AdapterConfig.FILE_NAME)));
    }

    /** The adapter at {@code path}, if it looks like one. */
    static Optional<AdapterFiles> find(Path path) {
        if (!Files.isDirectory(path)) {
            return ofFile(path);
        }
        Path config = path.resolve(AdapterConfig.FILE_NAME);
        if (Files.exists(config)) {
            Path weights = path.resolve(PeftAdapter.WEIGHTS);
            Path pickled = path.resolve(PICKLED);
            boolean isPickled = !Files.exists(weights) && Files.exists(pickled);
            return Optional.of(
                    new AdapterFiles(Optional.of(config), isPickled ? pickled : weights));
        }
        if (Files.exists(path.resolve(DIFFUSERS))) {
            return Optional.of(new AdapterFiles(Optional.empty(), path.resolve(DIFFUSERS)));
        }
        List<Path> files = safetensors(path);
        return files.size() == 1 ? ofFile(files.getFirst()) : Optional.empty();
    }

    private static List<Path> safetensors(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(file -> file.toString().endsWith(".safetensors"))
                    .limit(2)
                    .toList();
        } catch (IOException e) {
            return List.of(); // no folder to read, no adapter
        }
    }

    private static Optional<AdapterFiles> ofFile(Path file) {
        Path config = file.resolveSibling(AdapterConfig.FILE_NAME);
        String name = String.valueOf(file.getFileName());
        if (Files.exists(config) && (name.equals(PeftAdapter.WEIGHTS) || name.equals(PICKLED))) {
            return Optional.of(new AdapterFiles(Optional.of(config), file));
        }
        return isNamedLikeOne(file)
                ? Optional.of(new AdapterFiles(Optional.empty(), file))
                : Optional.empty();
    }

    private static boolean isNamedLikeOne(Path file) {
        if (!file.toString().endsWith(".safetensors") || !Files.isRegularFile(file)) {
            return false;
        }
        try (var reader = SafetensorsReader.open(file)) {
            return reader.tensors().stream()
                    .anyMatch(info ->
                            info.name().startsWith(KOHYA)
                                    || Dialect.ALL.stream()
                                            .anyMatch(d -> d.parse(info.name()).isPresent()));
        } catch (IOException e) {
            return false; // whoever reads it as something else will say why
        }
    }

    Path folder() {
        Path parent = weights.getParent();
        return parent == null ? Path.of("") : parent;
    }

    List<Path> all() {
        return Stream.concat(config.stream(), Stream.of(weights)).toList();
    }
}
