package graft.convert.ledger;

import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.TreeMap;

/**
 * Everything {@code graft.json} says but the {@code run} object. A value; safe from any thread.
 *
 * @param command the verb, such as {@code reduce}
 * @param inputs files read, in the order given
 * @param options as resolved, defaults included; values are strings, numbers or booleans
 * @param outputs files written, by path
 * @param tensors in plan order
 * @param totals sums and worst cases over {@code tensors}, by name
 * @param results measured outcomes beyond tensors, such as accuracies, in plan order
 * @param warnings what the user should know, a line each
 */
public record Ledger(
        String command,
        List<Input> inputs,
        Map<String, Object> options,
        List<Output> outputs,
        List<TensorRecord> tensors,
        Map<String, Number> totals,
        List<Map<String, Object>> results,
        List<String> warnings) {
    /** Version of the layout of {@code graft.json}; a reader refuses a higher one. */
    public static final int SCHEMA_VERSION = 1;

    /** Name of the file in every folder that Graft writes. */
    public static final String FILE_NAME = "graft.json";

    /**
     * A file that was read.
     *
     * @param role {@code adapter}, {@code base}, {@code fine-tune}, {@code graph}, {@code recipe},
     *     …
     * @param source what the user called it: a path as typed or a Hub reference
     * @param file file name below {@code source}, or its own name
     */
    public record Input(String role, String source, String file, long bytes, String sha256) {}

    /**
     * A file that was written.
     *
     * @param path relative to the folder of the ledger, with forward slashes
     */
    public record Output(String path, long bytes, String sha256) {}

    public Ledger {
        inputs = List.copyOf(inputs);
        options = new TreeMap<>(options);
        outputs = List.copyOf(outputs);
        tensors = List.copyOf(tensors);
        totals = new TreeMap<>(totals);
        results = List.copyOf(results);
        warnings = List.copyOf(warnings);
    }

    /** A ledger without results. */
    public Ledger(
            String command,
            List<Input> inputs,
            Map<String, Object> options,
            List<Output> outputs,
            List<TensorRecord> tensors,
            Map<String, Number> totals,
            List<String> warnings) {
        this(command, inputs, options, outputs, tensors, totals, List.of(), warnings);
    }

    /** The same ledger, of work that wrote these files. */
    public Ledger withOutputs(List<Output> written) {
        return new Ledger(command, inputs, options, written, tensors, totals, results, warnings);
    }

    /** Bytes of all tensors before. */
    public long bytesIn() {
        return tensors.stream().mapToLong(TensorRecord::bytesIn).sum();
    }

    /** Bytes of all tensors after. */
    public long bytesOut() {
        return tensors.stream().mapToLong(TensorRecord::bytesOut).sum();
    }

    /**
     * One of {@link #totals} as a number.
     *
     * @throws java.util.NoSuchElementException if there is none of that name
     */
    public double total(String name) {
        Number value = totals.get(name);
        if (value == null) {
            throw new NoSuchElementException(command + " has no total " + name);
        }
        return value.doubleValue();
    }
}
