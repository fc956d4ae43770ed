package graft.convert.job;

import graft.convert.ConversionException;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** Scores per setting and task, beside those of a reference. Filled in plan order. */
final class QuickstartResults {
    private final List<String> tasks;
    private final ReferenceScores reference;
    private final List<Map<String, Object>> rows = new ArrayList<>();
    private final Map<String, Double> fineTuned = new LinkedHashMap<>();
    private final Map<String, Double> adapted = new LinkedHashMap<>();
    private Map<String, Object> scores = new LinkedHashMap<>();
    private double ratios;
    private double worst = Double.POSITIVE_INFINITY;
    private int furthest;
    private boolean compared;
    private int exact;
    private int near;
    private int far;
    private String farthest = "";

    QuickstartResults(List<String> tasks, ReferenceScores reference) {
        this.tasks = tasks;
        this.reference = reference;
    }

    void add(Setting setting, String task, int correct, int count) {
        Map<String, Object> score = new LinkedHashMap<>();
        score.put("correct", correct);
        score.put("rows", count);
        OptionalInt expected = reference.correct(setting, task, count);
        if (expected.isPresent()) {
            int distance = Math.abs(correct - expected.getAsInt());
            score.put("reference", expected.getAsInt());
            furthest = Math.max(furthest, distance);
            compared = true;
            exact += distance == 0 ? 1 : 0;
            near += distance > 0 && distance <= Quickstart.ROWS_OF_TOLERANCE ? 1 : 0;
            if (distance > Quickstart.ROWS_OF_TOLERANCE) {
                far++;
                farthest =
                        "%s, %s: %d right, reference %d"
                                .formatted(setting.label(), task, correct, expected.getAsInt());
            }
        }
        scores.put(task, score);
        double accuracy = (double) correct / count;
        Map<String, Double> whole = setting.isAdapter() ? adapted : fineTuned;
        double ratio =
                accuracy / whole.computeIfAbsent(task, _ -> accuracy); // whole models come first
        ratios += ratio;
        worst = Math.min(worst, ratio);
    }

    /**
     * @param bytes of weights per task, as stored
     */
    void finish(Setting setting, long bytes) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("setting", setting.label());
        row.put("name", setting.slug());
        row.put("tasks", scores);
        row.put("meanRatio", ratios / tasks.size());
        row.put("worstRatio", worst);
        row.put("bytesPerTask", bytes);
        row.put("sharedByAllTasks", setting.isShared());
        if (compared) {
            row.put("rowsFromReference", furthest);
        }
        rows.add(row);
        scores = new LinkedHashMap<>();
        ratios = 0;
        worst = Double.POSITIVE_INFINITY;
        furthest = 0;
        compared = false;
    }

    List<Map<String, Object>> rows() {
        return rows;
    }

    Map<String, Number> totals() {
        return Map.of("scoresExact", exact, "scoresNear", near, "scoresFar", far);
    }

    /**
     * @throws ConversionException.CheckFailed if a score cannot be the reference's
     */
    void check() throws ConversionException.CheckFailed {
        if (far > 0) {
            throw new ConversionException.CheckFailed(
                    "%d of %d scores differ from the family's reference by more than %d rows (%s)"
                            .formatted(
                                    far,
                                    exact + near + far,
                                    Quickstart.ROWS_OF_TOLERANCE,
                                    farthest),
                    "this is a bug, or the family's files were changed; please report it");
        }
    }
}
