package graft.convert.sparsify;

import static graft.convert.sparsify.SparsifyRuns.FAMILY;
import static graft.convert.sparsify.SparsifyRuns.apply;
import static graft.convert.sparsify.SparsifyRuns.everyWay;
import static graft.convert.sparsify.SparsifyRuns.merged;
import static graft.convert.sparsify.SparsifyRuns.options;
import static graft.convert.sparsify.SparsifyRuns.random;
import static graft.convert.sparsify.SparsifyRuns.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.testing.Python;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Deltas beside what numpy makes and reads. */
class ReferenceTest {
    @TempDir Path folder;

    /**
     * Counts of kept entries as the numpy reference has them, for every task, density and scope.
     */
    @Test
    void countsEqualTheReferencesOnTheTrainedFamily() throws IOException {
        Path merged = merged(folder);
        List<String> tasks = List.of("debsection", "nounsense", "pos", "spam");
        int compared = 0;
        JsonNode rows =
                new ObjectMapper().readTree(FAMILY.resolve("expected.json").toFile()).get("rows");
        for (JsonNode row : rows) {
            boolean plain = !row.has("pool") && !row.has("keep_1d_whole");
            String values = row.path("values").asText();
            if (!row.path("merge").asText().equals("ta0.3")
                    || !plain
                    || !List.of(0.01, 0.05, 0.2).contains(row.path("m").asDouble())
                    || !List.of("signproj", "f32").contains(values)) {
                continue;
            }
            boolean signs = values.equals("signproj");
            var options =
                    options(
                            SparsifyOptions.Scope.valueOf(row.get("selection").asText()),
                            row.get("m").asDouble(),
                            signs ? Values.sign : Values.exact,
                            signs ? Gain.projection : Gain.none);
            for (String task : tasks) {
                Path out = folder.resolve("out" + compared++);
                Ledger ledger = run(FAMILY.resolve("fft-" + task), merged, options, 2, out);
                JsonNode expected = row.get("tasks").get(task);
                assertThat((long) ledger.total("nonZeros"))
                        .as("%s %s", task, options)
                        .isEqualTo(expected.get("nnz").asLong());
                long sparse =
                        ledger.tensors().stream()
                                .filter(r -> r.treatment().equals("sparse"))
                                .mapToLong(TensorRecord::bytesOut)
                                .sum();
                // the reference's entropy bound counts two bytes a tensor for scales, which we do
                // not
                assertThat((double) sparse / expected.get("entropy").asLong())
                        .isBetween(0.97, 1.12);
            }
        }
        assertThat(compared).isEqualTo(48);
    }

    /**
     * The integers are those of the numpy reference: the same random numbers, the same rounding.
     */
    @Test
    void unbiasedRoundingHasTheReferencesNonZerosAndBeatsItsEntropy() throws IOException {
        Path merged = merged(folder);
        int compared = 0;
        JsonNode rows =
                new ObjectMapper().readTree(FAMILY.resolve("expected.json").toFile()).get("rows");
        for (JsonNode row : rows) {
            boolean dither = row.path("method").asText().equals("subtractive dither");
            boolean stochastic = row.path("method").asText().equals("stochastic rounding");
            double step = row.path("step").asDouble();
            if (!row.path("merge").asText().equals("ta0.3")
                    || !(dither || stochastic)
                    || !List.of(2.0, 6.0, 24.0).contains(step)) {
                continue;
            }
            var select = dither ? SparsifyOptions.Select.dither : SparsifyOptions.Select.stochastic;
            var options = random(select, new Amount.Step(step), Values.sign);
            for (String task : List.of("pos", "spam")) {
                Path out = folder.resolve("u" + compared++);
                Ledger ledger = run(FAMILY.resolve("fft-" + task), merged, options, 2, out);
                JsonNode expected = row.get("tasks").get(task);
                long sparse =
                        ledger.tensors().stream()
                                .filter(r -> r.treatment().equals("sparse"))
                                .mapToLong(TensorRecord::bytesOut)
                                .sum();
                assertThat(sparse)
                        .as("%s %s", task, options)
                        .isLessThan(expected.get("entropy").asLong() * 105 / 100);
                if (stochastic) { // steps are stored as float32, which may move a few
                    assertThat(ledger.total("nonZeros"))
                            .isCloseTo(expected.get("nnz").asDouble(), within(3.0));
                }
            }
        }
        assertThat(compared).isEqualTo(12);
    }

    /** The reader of docs/sparse-delta.md, as printed there, rebuilds what apply rebuilds. */
    @Test
    void documentedNumpyReaderGivesTheSameModel() throws Exception {
        Python python = Python.with("numpy", "safetensors");
        String page =
                Files.readString(Path.of(System.getProperty("graft.root"), "docs/sparse-delta.md"));
        List<String> files =
                Arrays.stream(page.split("```python\n", -1))
                        .skip(1)
                        .map(text -> text.substring(0, text.indexOf("```")))
                        .toList();
        assertThat(files.getFirst().lines().filter(line -> !line.isEmpty())).hasSizeLessThan(41);
        Path script = Files.writeString(folder.resolve("read_delta.py"), files.getFirst());
        Files.writeString(folder.resolve("read_coded.py"), files.getLast());
        List<String> arguments = new ArrayList<>(List.of(script.toString()));
        for (var options : everyWay().toList()) {
            Path delta = folder.resolve("d" + arguments.size());
            Path out = folder.resolve("o" + arguments.size());
            run(FAMILY.resolve("fft-pos"), FAMILY.resolve("base"), options, 1, delta);
            apply(delta, FAMILY.resolve("base"), out, false);
            arguments.addAll(
                    Arrays.asList(
                            delta.resolve("delta.safetensors").toString(),
                            FAMILY.resolve("base/model.safetensors").toString(),
                            out.resolve("model.safetensors").toString()));
        }
        python.run("check_delta.py", arguments.getFirst(), arguments.subList(1, arguments.size()));
    }
}
