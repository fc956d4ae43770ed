package graft.formats.pickle;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Turns the calls of a pickle into {@link Value}s: what torch's {@code _rebuild_*} functions do,
 * without data. Views are checked against the length that their storage declares.
 */
final class Builder {
    static final String RESAVE =
            "if you trust where it comes from, load it with torch and save the tensors alone as"
                    + " safetensors";

    private static final int MAX_AXES = 64;
    private static final long MAX_ELEMENTS = 1L << 56; // in bytes, still far from overflow

    private final Supplier<FileSpot> spot;
    private final Map<String, Value.Storage> storages = new HashMap<>();

    /**
     * @param spot where the machine is now
     */
    Builder(Supplier<FileSpot> spot) {
        this.spot = spot;
    }

    /**
     * The storage that a persistent id names: {@code ('storage', type, key, location, elements)},
     * in old files followed by the view that it was, if it was one.
     */
    Value.Storage storage(Object id) throws FormatException {
        if (!(id instanceof Value.Tuple(List<Object> items))
                || (items.size() != 5 && items.size() != 6)
                || !"storage".equals(items.getFirst())
                || !(items.get(1) instanceof Value.StorageType type)
                || !(items.get(2) instanceof String key)
                || !(items.get(4) instanceof Long elements)
                || (items.size() == 6 && items.get(5) != Value.Opaque.NONE)) {
            throw bad(PickleRule.BAD_PERSID, "a persistent id that is not a storage");
        }
        if (elements < 0 || elements > MAX_ELEMENTS) {
            throw bad(
                    PickleRule.STORAGE_SIZE,
                    "storage %s of %d elements".formatted(FileSpot.quote(key), elements));
        }
        var storage = new Value.Storage(type.dtype(), key, elements, spot.get().offset());
        Value.Storage known = storages.putIfAbsent(key, storage);
        if (known == null) {
            return storage;
        }
        if (known.dtype() != storage.dtype() || known.elements() != elements) {
            throw bad(
                    PickleRule.BAD_PERSID,
                    "storage %s has two descriptions".formatted(FileSpot.quote(key)));
        }
        return known;
    }

    /** All storages that were named so far, by key. */
    Map<String, Value.Storage> storages() {
        return storages;
    }

    /** What {@code function} returns for {@code arguments}. */
    Object call(Object function, Object arguments) throws FormatException {
        if (!(function instanceof Value.Function known)) {
            throw bad(PickleRule.BAD_REDUCE, "calls " + Value.describe(function));
        }
        if (!(arguments instanceof Value.Tuple(List<Object> items))) {
            throw bad(PickleRule.BAD_REDUCE, "calls with " + Value.describe(arguments));
        }
        return switch (known) {
            case ORDERED_DICT -> orderedDict(items);
            case TENSOR_V1 -> tensor(known, items, 4, 4);
            case TENSOR_V2 -> tensor(known, items, 6, 7);
            case TENSOR_V3 -> tensor(known, items, 7, 8);
            case PARAMETER_V1 -> wrapped(known, items, 3, 3);
            case PARAMETER_WITH_STATE -> wrapped(known, items, 4, 4);
            case PARAMETER -> wrapped(known, items, 1, 2);
            case SIZE -> size(known, items);
            case DEVICE -> new Value.Opaque("a device");
        };
    }

    /** Python 2 wrote an OrderedDict as a list of pairs, Python 3 sets the items afterwards. */
    private Value.Dict orderedDict(List<Object> items) throws FormatException {
        var dict = Unpickler.dict(true);
        if (items.isEmpty()) {
            return dict;
        }
        if (items.size() != 1 || !(items.getFirst() instanceof List<?> pairs)) {
            throw arguments(Value.Function.ORDERED_DICT);
        }
        for (Object pair : pairs) {
            List<?> two =
                    pair instanceof Value.Tuple(List<Object> values)
                            ? values
                            : pair instanceof List<?> list ? list : List.of();
            if (two.size() != 2) {
                throw arguments(Value.Function.ORDERED_DICT);
            }
            put(dict, two.get(0), two.get(1));
        }
        return dict;
    }

    /** Sets {@code dict[key]}; a second value for a key is refused. */
    void put(Value.Dict dict, Object key, Object value) throws FormatException {
        if (!(key instanceof String) && !(key instanceof Long)) {
            throw bad(PickleRule.BAD_PICKLE, "a dict key is " + Value.describe(key));
        }
        if (dict.items().putIfAbsent(key, value) != null) {
            throw bad(
                    PickleRule.DUPLICATE_KEY,
                    "a second value for " + FileSpot.quote(key.toString()));
        }
    }

    private Value.Tensor tensor(Value.Function known, List<Object> items, int least, int most)
            throws FormatException {
        if (items.size() < least
                || items.size() > most
                || !(items.getFirst() instanceof Value.Storage storage)
                || !(items.get(1) instanceof Long first)) {
            throw bad(
                    PickleRule.BAD_TENSOR,
                    "%s without a storage and an offset".formatted(known.python));
        }
        long[] extents = integers(items.get(2), "size");
        long[] strides = integers(items.get(3), "strides");
        if (extents.length != strides.length || extents.length > MAX_AXES) {
            throw bad(
                    PickleRule.BAD_TENSOR,
                    "%d axes with %d strides, at most %d"
                            .formatted(extents.length, strides.length, MAX_AXES));
        }
        DType type = storage.dtype();
        if (known == Value.Function.TENSOR_V3) {
            type = named(items.get(6));
        }
        if (type == null) {
            throw bad(PickleRule.BAD_TENSOR, "a tensor without an element type");
        }
        long available = storage.bytes() / type.bytes();
        var view = new Value.Tensor(storage, type, shape(extents), first, strides);
        checkBounds(view, available);
        return view;
    }

    private DType named(Object dtype) throws FormatException {
        if (!(dtype instanceof Value.TorchType(String python, var type))) {
            throw bad(PickleRule.BAD_TENSOR, "a dtype that is " + Value.describe(dtype));
        }
        if (type == null) {
            throw noType(python);
        }
        return type;
    }

    UnsupportedFeatureException noType(String python) {
        return new UnsupportedFeatureException(
                PickleRule.UNSUPPORTED_DTYPE,
                spot.get(),
                python + " has no counterpart in safetensors",
                "convert the tensor to another type and save again");
    }

    private Shape shape(long[] extents) throws FormatException {
        try {
            return Shape.of(extents);
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw bad(PickleRule.OUT_OF_BOUNDS, "negative or endless size of a tensor");
        }
    }

    /** Every element lies within the storage. */
    private void checkBounds(Value.Tensor view, long available) throws FormatException {
        long last = view.first();
        boolean inside = last >= 0;
        try {
            for (int axis = 0; axis < view.strides().length; axis++) {
                long stride = view.strides()[axis];
                inside &= stride >= 0;
                long steps = Math.max(0, view.shape().extent(axis) - 1);
                last = Math.addExact(last, Math.multiplyExact(steps, stride));
            }
        } catch (ArithmeticException e) {
            inside = false;
        }
        boolean isEmpty = view.shape().elements() == 0;
        if (!inside || (isEmpty ? view.first() > available : last >= available)) {
            throw bad(
                    PickleRule.OUT_OF_BOUNDS,
                    "a view of %s reaches outside storage %s of %d elements"
                            .formatted(
                                    view.shape(), FileSpot.quote(view.storage().key()), available));
        }
    }

    private long[] integers(Object tuple, String what) throws FormatException {
        if (!(tuple instanceof Value.Tuple(List<Object> items))) {
            throw bad(
                    PickleRule.BAD_TENSOR,
                    "%s of a tensor is %s".formatted(what, Value.describe(tuple)));
        }
        long[] integers = new long[items.size()];
        for (int i = 0; i < integers.length; i++) {
            if (!(items.get(i) instanceof Long value)) {
                throw bad(
                        PickleRule.BAD_TENSOR,
                        "%s of a tensor holds %s".formatted(what, Value.describe(items.get(i))));
            }
            integers[i] = value;
        }
        return integers;
    }

    /** A Parameter is the tensor it wraps. */
    private Value.Tensor wrapped(Value.Function known, List<Object> items, int least, int most)
            throws FormatException {
        if (items.size() < least
                || items.size() > most
                || !(items.getFirst() instanceof Value.Tensor tensor)) {
            throw arguments(known);
        }
        return tensor;
    }

    /** A torch.Size is the tuple of its extents. */
    private Value.Tuple size(Value.Function known, List<Object> items) throws FormatException {
        if (items.size() != 1
                || !(items.getFirst() instanceof Value.Tuple extents)
                || !extents.items().stream().allMatch(Long.class::isInstance)) {
            throw arguments(known);
        }
        return extents;
    }

    private MalformedFileException arguments(Value.Function function) {
        return bad(PickleRule.BAD_REDUCE, function.python + " with other arguments than its own");
    }

    private MalformedFileException bad(PickleRule rule, String problem) {
        return new MalformedFileException(rule, spot.get(), problem);
    }
}
