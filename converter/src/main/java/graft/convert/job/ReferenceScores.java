package graft.convert.job;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * Correct answers that a reference implementation counted on the same rows ({@code expected.json}).
 */
final class ReferenceScores {
    private final List<JsonNode> rows = new ArrayList<>();

    private ReferenceScores() {}

    /** No reference: every lookup is empty. */
    static ReferenceScores none() {
        return new ReferenceScores();
    }

    static ReferenceScores read(Path file) throws IOException {
        var scores = new ReferenceScores();
        new ObjectMapper().readTree(file.toFile()).path("rows").forEach(scores.rows::add);
        return scores;
    }

    /** Correct answers of {@code task} under the same setting, if the reference measured it. */
    OptionalInt correct(Setting setting, String task, int rowsScored) {
        for (JsonNode row : rows) {
            if (matches(row, setting)) {
                JsonNode score = row.path("tasks").path(task);
                if (score.path("n_eval").asInt(-1) == rowsScored) {
                    return OptionalInt.of(score.path("correct_eval").asInt());
                }
            }
        }
        return OptionalInt.empty();
    }

    private static boolean matches(JsonNode row, Setting setting) {
        String method = row.path("method").asText();
        return switch (setting) {
            case Setting.SingleTask _ -> method.equals("single-task full fine-tune");
            case Setting.Merged merged ->
                    method.equals("task arithmetic")
                            && row.path("lam").asDouble() == merged.weight();
            case Setting.Residual residual -> matches(row, residual);
            case Setting.Compact _ -> false; // younger than the reference
            case Setting.Adapter(int rank, _) -> isAdapter(row, "fixed", rank);
            case Setting.SharedRanks(int rank) -> isAdapter(row, "budget", rank);
        };
    }

    private static boolean isAdapter(JsonNode row, String mode, int rank) {
        return row.path("method").asText().startsWith("LoRA")
                && row.path("mode").asText().equals(mode)
                && row.path("x").asDouble() == rank;
    }

    private static boolean matches(JsonNode row, Setting.Residual residual) {
        boolean paper = residual.preset().equals("paper");
        return row.path("method").asText().equals("merged + top-m residual")
                && row.path("merge").asText().equals("ta" + residual.weight())
                && row.path("m").asDouble() == residual.density()
                && row.path("selection").asText().equals(paper ? "global" : "tensor")
                && row.path("values").asText().equals(paper ? "f32" : "signproj")
                && !row.has("pool")
                && !row.has("keep_1d_whole");
    }
}
