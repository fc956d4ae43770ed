package graft.convert.lowrank;

import graft.convert.ledger.TensorRecord;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The README that goes with an adapter Graft wrote.
 *
 * @param title heading
 * @param sentence what was done, Markdown
 * @param baseModel as the adapter names it
 */
public record ModelCard(String title, String sentence, Optional<String> baseModel) {
    /** Text that came from a file or the command line, as Markdown code. */
    public static String code(String text) {
        return "`" + text.replaceAll("[`|\\p{Cntrl}]", " ") + "`";
    }

    /**
     * Writes {@code README.md}.
     *
     * @param modules records of {@link AdapterCut}
     * @param others names of what is saved whole
     */
    public void write(Path folder, List<TensorRecord> modules, List<String> others)
            throws IOException {
        String base = baseModel.map(name -> "base_model: " + yaml(name) + "\n").orElse("");
        var text =
                new StringBuilder(
                        """
                        ---
                        library_name: peft
                        tags:
                        - lora
                        %s---
                        # %s

                        %s
                        The scale is in the factors. `graft.json` has every figure.

                        | module | rank before | rank | energy kept | relative error |
                        |---|---|---|---|---|
                        """
                                .formatted(base, title, sentence));
        for (TensorRecord record : modules) {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "| %s | %s | %s | %.4f | %.4f |\n",
                            code(record.name()),
                            record.figures().get("rankIn"),
                            record.figures().get("rank"),
                            record.figure("energyKept"),
                            record.figure("relativeError")));
        }
        if (!others.isEmpty()) {
            text.append("\nSaved whole:\n");
            others.forEach(name -> text.append("- ").append(code(name)).append('\n'));
        }
        Files.writeString(folder.resolve("README.md"), text);
    }

    /** A double-quoted scalar: the name comes from a file. */
    private static String yaml(String text) {
        return '"'
                + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ")
                + '"';
    }
}
