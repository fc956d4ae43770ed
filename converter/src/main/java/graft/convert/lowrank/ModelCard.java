package graft.convert.lowrank;

import graft.convert.ledger.TensorRecord;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The README that goes with an adapter Graft wrote.
 *
 * @param title heading
 * @param sentence what was done, Markdown
 * @param baseModel as the adapter names it
 */
public record ModelCard(String title, String sentence, Optional<String> baseModel) {
    private static final Pattern NOT_IN_CODE = Pattern.compile("[`|\\p{Cntrl}]");

    /** Text that came from a file or the command line, as Markdown code. */
    public static String code(String text) {
        return "`" + NOT_IN_CODE.matcher(text).replaceAll(" ") + "`";
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
            text.append("| ").append(code(record.name()));
            text.append(" | ").append(record.figures().get("rankIn"));
            text.append(" | ").append(record.figures().get("rank"));
            text.append(" | ").append(fourPlaces(record.figure("energyKept")));
            text.append(" | ").append(fourPlaces(record.figure("relativeError"))).append(" |\n");
        }
        if (!others.isEmpty()) {
            text.append("\nSaved whole:\n");
            others.forEach(name -> text.append("- ").append(code(name)).append('\n'));
        }
        Files.writeString(folder.resolve("README.md"), text);
    }

    /** As {@code %.4f} writes a share; a formatter takes far longer, which adds up over modules. */
    private static String fourPlaces(double share) {
        long tenThousandths = Math.round(share * 10_000);
        String places = Long.toString(10_000 + tenThousandths % 10_000).substring(1);
        return tenThousandths / 10_000 + "." + places;
    }

    /** A double-quoted scalar: the name comes from a file. */
    private static String yaml(String text) {
        return '"'
                + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ")
                + '"';
    }
}
