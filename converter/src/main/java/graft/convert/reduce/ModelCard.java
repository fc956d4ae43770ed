package graft.convert.reduce;

import graft.convert.ledger.TensorRecord;
import graft.formats.peft.PeftAdapter;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The README that goes with a reduced adapter. */
final class ModelCard {
    private ModelCard() {}

    static void write(
            Path folder, PeftAdapter source, ReduceRequest request, List<TensorRecord> records)
            throws IOException {
        String rule =
                switch (request.rule()) {
                    case RankRule.Fixed(int rank) -> "at most rank %d".formatted(rank);
                    case RankRule.Energy(double kept) ->
                            "%s of each module's energy".formatted(kept);
                };
        var text =
                new StringBuilder(
                        """
                        ---
                        library_name: peft
                        tags:
                        - lora
                        %s---
                        # Reduced adapter

                        The LoRA adapter `%s`, every module cut to %s by truncated SVD (PERU-LoRA, arXiv 2310.01886).
                        The scale is in the factors: `lora_alpha` equals the rank. `graft.json` has every figure.

                        | module | rank before | rank | relative error |
                        |---|---|---|---|
                        """
                                .formatted(
                                        source.config()
                                                .baseModel()
                                                .map(base -> "base_model: " + yaml(base) + "\n")
                                                .orElse(""),
                                        request.source().replace('`', ' '),
                                        rule));
        for (TensorRecord record : records) {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "| `%s` | %s | %s | %.4f |%n",
                            record.name().replace('`', ' ').replace('|', ' '),
                            record.figures().get("rankIn"),
                            record.figures().get("rank"),
                            record.figure("relativeError")));
        }
        Files.writeString(folder.resolve("README.md"), text.toString().replace("\r\n", "\n"));
    }

    /** A double-quoted scalar: the name comes from a file. */
    private static String yaml(String text) {
        return '"'
                + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ")
                + '"';
    }
}
