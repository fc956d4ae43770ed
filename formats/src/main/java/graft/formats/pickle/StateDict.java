package graft.formats.pickle;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * The tensors of a checkpoint by name, in its own order: those under {@code state_dict} where there
 * is one, otherwise all, nested ones by dotted paths. Values that are no tensors are left out.
 */
final class StateDict {
    private static final String NESTED = "state_dict";
    private static final int MAX_DEPTH = 32;
    private static final int MAX_VISITS = 2_000_000;
    private static final long MAX_NAME_CHARS = 32 << 20; // a long prefix repeats in every name

    private final String file;
    private final SequencedMap<String, Value.Tensor> tensors = new LinkedHashMap<>();
    private int ignored;
    private String firstIgnored = "";
    private int visits;
    private long nameChars;

    private StateDict(String file) {
        this.file = file;
    }

    /**
     * @param warnings receives a line on what was left out
     */
    static SequencedMap<String, Value.Tensor> of(String file, Object root, List<String> warnings)
            throws FormatException {
        if (!(root instanceof Value.Dict dict)) {
            throw bad(
                    PickleRule.BAD_STRUCTURE,
                    FileSpot.of(file),
                    "holds %s, not a dict of tensors".formatted(Value.describe(root)));
        }
        var state = new StateDict(file);
        if (dict.items().get(NESTED) instanceof Value.Dict nested) {
            for (Object key : dict.items().keySet()) {
                if (!NESTED.equals(key)) {
                    state.ignore(key.toString());
                }
            }
            state.walk("", nested, 0);
        } else {
            state.walk("", dict, 0);
        }
        if (state.tensors.isEmpty()) {
            throw bad(PickleRule.BAD_STRUCTURE, FileSpot.of(file), "holds no tensors");
        }
        if (state.ignored > 0) {
            warnings.add(
                    "%s: %d values beside the weights are ignored, the first is %s"
                            .formatted(file, state.ignored, FileSpot.quote(state.firstIgnored)));
        }
        return state.tensors;
    }

    private void ignore(String name) {
        if (ignored == 0) {
            firstIgnored = name;
        }
        ignored++;
    }

    /** Adds what lies below {@code name}; cycles and doubling structures run into the limits. */
    private void visit(String name, Object value, int depth) throws FormatException {
        visits++;
        nameChars += name.length();
        if (visits > MAX_VISITS || nameChars > MAX_NAME_CHARS) {
            throw new LimitExceededException(
                    PickleRule.TOO_LARGE,
                    FileSpot.of(file),
                    "%d ways to values, with names of %d characters".formatted(visits, nameChars));
        }
        switch (value) {
            case Value.Tensor tensor -> {
                if (tensors.put(name, tensor) != null) {
                    throw bad(
                            PickleRule.DUPLICATE_KEY,
                            FileSpot.of(file).tensor(name),
                            "two tensors would have this name");
                }
            }
            case Value.Dict dict -> walk(name + ".", dict, depth + 1);
            case Value.Tuple(List<Object> items) -> walk(name, items, depth + 1);
            case List<?> items -> walk(name, items, depth + 1);
            default -> ignore(name);
        }
    }

    private void walk(String prefix, Value.Dict dict, int depth) throws FormatException {
        checkDepth(prefix, depth);
        for (var item : dict.items().entrySet()) {
            if (!(item.getKey() instanceof String key)) {
                throw bad(
                        PickleRule.BAD_STRUCTURE,
                        FileSpot.of(file),
                        "the key %s is a number, not a tensor's name".formatted(item.getKey()));
            }
            visit(prefix + key, item.getValue(), depth);
        }
    }

    private void walk(String name, List<?> items, int depth) throws FormatException {
        checkDepth(name, depth);
        for (int i = 0; i < items.size(); i++) {
            visit(name + "." + i, items.get(i), depth);
        }
    }

    private void checkDepth(String name, int depth) throws FormatException {
        if (depth > MAX_DEPTH) {
            throw new LimitExceededException(
                    PickleRule.DEPTH_LIMIT,
                    FileSpot.of(file).tensor(name),
                    "nested deeper than %d, or into itself".formatted(MAX_DEPTH));
        }
    }

    private static MalformedFileException bad(PickleRule rule, FileSpot spot, String problem) {
        return new MalformedFileException(rule, spot, problem);
    }
}
