package graft.convert.job;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A folder with one base model and, per task, a fine-tune, an adapter and rows to score them on.
 *
 * <p>Layout: {@code base/}, {@code fft-TASK/}, {@code lora-TASK/}, {@code eval-TASK.safetensors},
 * {@code onnx/*.onnx} (one export of the base's encoder with any task's head) and, optionally,
 * {@code expected.json} with the scores of a reference.
 *
 * @param folder the family
 * @param tasks names, sorted
 * @param graph the export used
 */
public record Family(Path folder, List<String> tasks, Path graph) {
    private static final String FINE_TUNE = "fft-";

    /**
     * @throws NoSuchFileException naming the first part that is missing
     */
    public static Family open(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new NoSuchFileException(folder.toString(), null, "no such folder");
        }
        List<String> tasks;
        try (var entries = Files.list(folder)) {
            tasks =
                    entries.map(entry -> entry.getFileName().toString())
                            .filter(name -> name.startsWith(FINE_TUNE))
                            .map(name -> name.substring(FINE_TUNE.length()))
                            .sorted()
                            .toList();
        }
        var family = new Family(folder, tasks, graphIn(folder.resolve("onnx")));
        require(family.base());
        if (tasks.isEmpty()) {
            throw new NoSuchFileException(folder.toString(), null, "holds no fft-TASK folder");
        }
        for (String task : tasks) {
            require(family.adapter(task));
            require(family.rows(task));
        }
        return family;
    }

    private static Path graphIn(Path folder) throws IOException {
        require(folder);
        try (var entries = Files.list(folder)) {
            return entries.filter(entry -> entry.toString().endsWith(".onnx"))
                    .sorted()
                    .findFirst()
                    .orElseThrow(() ->
                            new NoSuchFileException(
                                    folder.toString(), null, "holds no .onnx graph"));
        }
    }

    private static void require(Path path) throws NoSuchFileException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString(), null, "no such file or folder");
        }
    }

    /** The checkpoint all fine-tunes started from. */
    public Path base() {
        return folder.resolve("base");
    }

    /** The fully fine-tuned checkpoint. */
    public Path fineTune(String task) {
        return folder.resolve(FINE_TUNE + task);
    }

    /** The PEFT adapter. */
    public Path adapter(String task) {
        return folder.resolve("lora-" + task);
    }

    /** Rows with labels: {@code input_ids}, {@code attention_mask}, …, {@code labels}. */
    public Path rows(String task) {
        return folder.resolve("eval-" + task + ".safetensors");
    }

    /** What a reference scored, where the family says so. */
    public Optional<Path> expected() {
        return Optional.of(folder.resolve("expected.json")).filter(Files::exists);
    }
}
