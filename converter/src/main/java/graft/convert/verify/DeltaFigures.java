package graft.convert.verify;

import com.fasterxml.jackson.databind.JsonNode;

import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;
import graft.convert.select.ResidualFigures;
import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaReader;
import graft.formats.delta.SparseTensor;
import graft.formats.io.Sha256;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Re-derives what a ledger says that deltas kept and lost: applies each to its base in memory and
 * compares with the fine-tune, where both are still there. Inputs are known by their SHA-256, not
 * by where they lie. Stateless; one thread calls it.
 */
public final class DeltaFigures {
    /** Figures are sums in a fixed order; only their text form rounds. */
    private static final double TOLERANCE = 1e-9;

    private static final List<String> FIGURES =
            List.of("nonZeros", "norm", "along", "cosine", "relativeError", "maxAbsError");

    /**
     * What was found.
     *
     * @param tensors whose figures were derived again
     * @param failures a line for each that the ledger tells otherwise
     * @param notes a line for each delta that was left out, and why
     */
    public record Result(int tensors, List<String> failures, List<String> notes) {}

    /** An input of the ledger: files by name, with hashes. */
    private record Wanted(String role, String source, Map<String, JsonNode> files) {}

    /**
     * A delta and what it was made from.
     *
     * @param folder below the ledger's, empty for the ledger's own
     * @param base empty for {@code merged} beside it
     */
    private record Made(String folder, Optional<Wanted> base, Wanted model) {}

    /**
     * @param others models beside those that the ledger names
     * @throws FormatException if the ledger or a delta cannot be read
     */
    public Result run(Path folder, List<Path> others, Workers workers, Progress progress)
            throws IOException {
        JsonNode ledger = VerifyOutput.read(folder.resolve(Ledger.FILE_NAME));
        Map<String, JsonNode> records = new HashMap<>();
        for (JsonNode tensor : ledger.path("tensors")) {
            records.put(tensor.path("name").asText(), tensor);
        }
        var result = new Result(0, new ArrayList<>(), new ArrayList<>());
        List<Made> all = made(ledger);
        if (all.isEmpty() && hasDeltas(ledger)) {
            result.notes.add(
                    "figures were not derived again: the inputs that graft.json lists are not one fine-tune for each delta");
        }
        for (Made made : all) {
            Path delta = folder.resolve(made.folder).resolve(DeltaHeader.FILE_NAME);
            if (!Files.exists(delta)) {
                continue; // another layout; a missing file is said elsewhere
            }
            Optional<Path> model = find(made.model, others);
            Optional<Path> base =
                    made.base.isPresent()
                            ? find(made.base.get(), others)
                            : Optional.of(folder.resolve("merged"));
            if (model.isEmpty() || base.isEmpty()) {
                Wanted missing = model.isEmpty() ? made.model : made.base.orElse(made.model);
                result.notes.add(
                        "figures of %s were not derived again: %s %s is not there as it was; --source tells where"
                                .formatted(
                                        made.folder.isEmpty() ? "the delta" : made.folder,
                                        missing.role,
                                        FileSpot.quote(missing.source)));
                continue;
            }
            String prefix = made.folder.isEmpty() ? "" : made.folder + "/";
            int tensors = compare(prefix, delta, base.get(), model.get(), records, result, workers);
            result = new Result(result.tensors + tensors, result.failures, result.notes);
            progress.advance(Files.size(delta));
        }
        return result;
    }

    private static boolean hasDeltas(JsonNode ledger) {
        return ledger.path("command").asText().equals("sparsify") || !deltas(ledger).isEmpty();
    }

    private static List<String> deltas(JsonNode ledger) {
        List<String> tasks = new ArrayList<>();
        for (JsonNode row : ledger.path("results")) {
            if (row.path("kind").asText().equals("delta")) {
                tasks.add(row.path("task").asText());
            }
        }
        return tasks;
    }

    /**
     * The deltas of a ledger by {@code sparsify} or {@code convert}; none of another, or where it
     * does not tell which fine-tune is whose.
     */
    private static List<Made> made(JsonNode ledger) {
        List<Wanted> models = new ArrayList<>();
        List<Wanted> bases = new ArrayList<>();
        for (JsonNode input : ledger.path("inputs")) {
            String role = input.path("role").asText();
            String source = input.path("source").asText();
            List<Wanted> group = role.equals("fine-tune") ? models : bases;
            if (!role.equals("fine-tune") && !role.equals("base")) {
                continue;
            }
            String file = input.path("file").asText();
            if (group.isEmpty()
                    || !group.getLast().source.equals(source)
                    || group.getLast().files.containsKey(file)) { // the same model once more
                group.add(new Wanted(role, source, new HashMap<>()));
            }
            group.getLast().files.put(file, input);
        }
        String command = ledger.path("command").asText();
        if (command.equals("sparsify") && models.size() == 1 && bases.size() == 1) {
            return List.of(new Made("", Optional.of(bases.getFirst()), models.getFirst()));
        }
        List<String> tasks = deltas(ledger);
        List<Made> made = new ArrayList<>();
        if (command.equals("convert") && tasks.size() == models.size()) {
            for (int i = 0; i < tasks.size(); i++) {
                made.add(new Made(tasks.get(i), Optional.empty(), models.get(i)));
            }
        }
        return made;
    }

    /** Where the wanted files are, the same byte for byte. */
    private static Optional<Path> find(Wanted wanted, List<Path> others) throws IOException {
        List<Path> places = new ArrayList<>();
        try {
            places.add(Path.of(wanted.source));
        } catch (InvalidPathException e) {
            // the name of a repository, perhaps
        }
        places.addAll(others);
        for (Path place : places) {
            if (Files.exists(place) && holds(place, wanted)) {
                return Optional.of(place);
            }
        }
        return Optional.empty();
    }

    private static boolean holds(Path place, Wanted wanted) throws IOException {
        Set<String> left = new HashSet<>();
        Map<Long, List<String>> bySize = new HashMap<>();
        for (JsonNode file : wanted.files.values()) {
            left.add(file.path("sha256").asText());
            bySize.computeIfAbsent(file.path("bytes").asLong(), _ -> new ArrayList<>())
                    .add(file.path("sha256").asText());
        }
        try (var checkpoint = Checkpoint.open(place)) {
            if (checkpoint.files().size() != wanted.files.size()) {
                return false;
            }
            for (Path file : checkpoint.files()) {
                List<String> hashes = bySize.getOrDefault(Files.size(file), List.of());
                String hash = hashes.isEmpty() ? "" : Sha256.of(file);
                if (!hashes.contains(hash)) {
                    return false;
                }
                left.remove(hash);
            }
            return left.isEmpty();
        } catch (FormatException | FileSystemException e) {
            return false; // another thing has that name now
        }
    }

    private static int compare(
            String prefix,
            Path file,
            Path basePath,
            Path modelPath,
            Map<String, JsonNode> records,
            Result result,
            Workers workers)
            throws IOException {
        try (var delta = DeltaReader.open(file);
                var base = Checkpoint.open(basePath);
                var model = Checkpoint.open(modelPath)) {
            List<List<String>> failures =
                    workers.map(
                            delta.header().tensors(),
                            tensor ->
                                    differences(
                                            prefix,
                                            records,
                                            tensor,
                                            measure(delta, tensor, base, model)));
            failures.forEach(result.failures::addAll);
            return failures.size();
        }
    }

    private static Map<String, Number> measure(
            DeltaReader delta, SparseTensor tensor, Checkpoint base, Checkpoint model)
            throws IOException {
        String name = tensor.info().name();
        boolean fits =
                base.find(name).filter(i -> i.shape().equals(tensor.info().shape())).isPresent()
                        && model.find(name).filter(tensor.info()::equals).isPresent();
        return fits
                ? ResidualFigures.measure(
                        TensorPair.of(base, model, name), delta.entries(tensor), tensor.count())
                : Map.of();
    }

    private static List<String> differences(
            String prefix,
            Map<String, JsonNode> records,
            SparseTensor tensor,
            Map<String, Number> figures) {
        List<String> differences = new ArrayList<>();
        String name = prefix + tensor.info().name();
        String where = "%s%s: tensor %s: ".formatted(prefix, DeltaHeader.FILE_NAME, name);
        JsonNode record = records.get(name);
        if (record == null || figures.isEmpty()) {
            differences.add(where + "is not in the ledger, the base or the model");
            return differences;
        }
        for (String figure : FIGURES) {
            double derived = figures.getOrDefault(figure, Double.NaN).doubleValue();
            double written = record.path(figure).asDouble(Double.NaN);
            if (!(Math.abs(derived - written) <= TOLERANCE * Math.abs(derived))) {
                differences.add(
                        where + "%s is %s, the ledger says %s".formatted(figure, derived, written));
            }
        }
        return differences;
    }
}
