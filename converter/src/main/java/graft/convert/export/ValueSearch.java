package graft.convert.export;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiFunction;

/**
 * Finds tensors that an initializer holds side by side, as exporters lay query, key and value
 * together, tensors it holds multiplied by a constant or with one added, and those whose smallest
 * or largest values a converter to float16 has changed.
 */
final class ValueSearch {
    /** Multiplying by a constant known to float32 precision may be off by as much. */
    private static final int SCALED_ULPS = 2;

    private static final int SMALLEST = 4;
    private static final int LARGEST_ROOT = 1 << 16;

    private final TensorSource checkpoint;
    private final GraphNames names;

    /** By tensor; each may be tried in many initializers of its shape. */
    private final Map<String, Long> largest = new HashMap<>();

    ValueSearch(TensorSource checkpoint, GraphNames names) {
        this.checkpoint = checkpoint;
        this.names = names;
    }

    /**
     * The only tensor that a converter to float16 made the initializer of; empty if there is none.
     */
    List<Binding> clamped(
            TensorInfo initializer, TensorValues values, Collection<TensorInfo> tensors) {
        if (initializer.dtype() != DType.F16) {
            return List.of();
        }
        return only(
                initializer,
                tensors,
                (tensor, plain) ->
                        values.equals(tensor, checkpoint.bytes(tensor.name()), plain)
                                ? Optional.of(plain)
                                : Optional.empty());
    }

    /** The only tensor that lies whole in the initializer as {@code match} says, if it does. */
    private static List<Binding> only(
            TensorInfo initializer,
            Collection<TensorInfo> tensors,
            BiFunction<TensorInfo, Layout, Optional<Layout>> match) {
        List<Binding> found = new ArrayList<>();
        for (TensorInfo tensor : tensors) {
            for (boolean transposed : new boolean[] {false, true}) {
                if (fits(tensor, initializer, transposed)) {
                    match.apply(tensor, Layout.whole(transposed))
                            .ifPresent(layout ->
                                    found.add(binding(initializer, tensor.name(), layout)));
                }
            }
        }
        return found.size() == 1 ? found : List.of();
    }

    private static Binding binding(TensorInfo initializer, String tensor, Layout layout) {
        return new Binding(initializer.name(), tensor, layout, Binding.Evidence.VALUES, List.of());
    }

    private static boolean fits(TensorInfo tensor, TensorInfo initializer, boolean transposed) {
        return tensor.dtype().isComputable()
                && (transposed
                        ? BindingSearch.isTransposeOf(tensor.shape(), initializer.shape())
                        : tensor.shape().equals(initializer.shape()));
    }

    /** Two or more tensors that together fill the initializer; empty if there are none. */
    List<Binding> parts(
            TensorInfo initializer, TensorValues values, Collection<TensorInfo> tensors) {
        if (initializer.shape().rank() < 1 || initializer.shape().rank() > 2) {
            return List.of();
        }
        boolean vector = initializer.shape().rank() == 1;
        for (int axis = vector ? 1 : 0; axis < 2; axis++) {
            for (boolean transposed :
                    vector ? new boolean[] {false} : new boolean[] {false, true}) {
                List<Binding> found = parts(initializer, values, tensors, axis, transposed);
                if (!found.isEmpty()) {
                    return found;
                }
            }
        }
        return List.of();
    }

    private List<Binding> parts(
            TensorInfo initializer,
            TensorValues values,
            Collection<TensorInfo> tensors,
            int axis,
            boolean transposed) {
        Shape whole = matrix(initializer.shape());
        List<Binding> found = new ArrayList<>();
        long from = 0;
        while (from < whole.extent(axis)) {
            var layout = Layout.part(transposed, axis, from);
            NavigableMap<String, Long> equal = new TreeMap<>();
            for (TensorInfo tensor : tensors) {
                if (tensor.shape().rank() == initializer.shape().rank()
                        && tensor.dtype().isComputable()
                        && tensor.shape().elements() > 0) {
                    Shape lying = layout.lying(matrix(tensor.shape()));
                    boolean fits =
                            lying.extent(1 - axis) == whole.extent(1 - axis)
                                    && lying.extent(axis) <= whole.extent(axis) - from
                                    && lying.extent(axis) < whole.extent(axis);
                    if (fits && values.equals(tensor, checkpoint.bytes(tensor.name()), layout)) {
                        equal.put(tensor.name(), lying.extent(axis));
                    }
                }
            }
            Optional<String> one = one(equal, initializer, found);
            if (one.isEmpty()) {
                return List.of();
            }
            found.add(binding(initializer, one.get(), layout));
            from += equal.getOrDefault(one.get(), 0L);
        }
        return found;
    }

    private static Shape matrix(Shape shape) {
        return shape.rank() == 1 ? Shape.of(1, shape.extent(0)) : shape;
    }

    /**
     * The only candidate; of equal ones, such as zero biases, the first not taken whose module is a
     * sibling of what came before, or lies on the initializer's path.
     */
    private Optional<String> one(
            NavigableMap<String, Long> equal, TensorInfo initializer, List<Binding> before) {
        if (equal.size() == 1) {
            return Optional.of(equal.firstKey());
        }
        Set<String> suggestions = names.suggestions(initializer.name());
        List<String> near =
                equal.keySet().stream()
                        .filter(name -> before.stream().noneMatch(b -> b.tensor().equals(name)))
                        .filter(name ->
                                suggestions.stream()
                                        .anyMatch(s -> isNear(grandparent(s), grandparent(name))))
                        .toList();
        return near.size() == 1 ? Optional.of(near.getFirst()) : Optional.empty();
    }

    private static boolean isNear(String left, String right) {
        return !left.isEmpty() && !right.isEmpty() && GraphNames.same(left, right);
    }

    /** {@code layers.0.attn} of {@code layers.0.attn.q_proj.bias}. */
    private static String grandparent(String name) {
        int parent = name.lastIndexOf('.');
        int end = parent < 0 ? -1 : name.lastIndexOf('.', parent - 1);
        return end < 0 ? "" : name.substring(0, end);
    }

    /** One tensor times a constant, or plus one; empty if none or several fit. */
    List<Binding> scaled(
            TensorInfo initializer, TensorValues values, Collection<TensorInfo> tensors) {
        if (initializer.shape().elements() < SMALLEST) {
            return List.of(); // any few numbers are multiples of any others
        }
        return only(initializer, tensors, (tensor, plain) -> layout(values, tensor, plain));
    }

    private Optional<Layout> layout(TensorValues values, TensorInfo tensor, Layout plain) {
        MemorySegment bytes = checkpoint.bytes(tensor.name());
        long at = largest.computeIfAbsent(tensor.name(), _ -> largestOrConstant(tensor, bytes));
        if (at < 0) {
            return Optional.empty(); // every constant is a multiple of every other
        }
        Layout plusOne = plain.valued(1, 1);
        if (values.equals(tensor, bytes, plusOne)) {
            return Optional.of(plusOne);
        }
        float[] one = new float[1];
        Elements.widen(tensor.dtype(), bytes, at, one, 0, 1);
        double ratio = (double) values.at(values.place(tensor, plain, at)) / one[0];
        if (ratio == 0 || ratio == 1 || !Double.isFinite(ratio)) {
            return Optional.empty();
        }
        for (float scale : new float[] {nice(ratio), (float) ratio}) {
            Layout scaled = plain.valued(scale, 0);
            if (values.holds(tensor, bytes, scaled, SCALED_ULPS)) {
                return Optional.of(scaled);
            }
        }
        return Optional.empty();
    }

    /** Index of the largest magnitude, or -1 if all values are the same. */
    private static long largestOrConstant(TensorInfo tensor, MemorySegment bytes) {
        long elements = tensor.shape().elements();
        float[] tile = new float[(int) Math.clamp(elements, 1, 1 << 12)];
        long at = -1;
        float most = 0;
        boolean constant = true;
        float first = 0;
        for (long start = 0; start < elements; start += tile.length) {
            int count = (int) Math.min(tile.length, elements - start);
            Elements.widen(tensor.dtype(), bytes, start, tile, 0, count);
            first = start == 0 ? tile[0] : first;
            for (int i = 0; i < count; i++) {
                constant &= tile[i] == first;
                if (Math.abs(tile[i]) > most) {
                    most = Math.abs(tile[i]);
                    at = start + i;
                }
            }
        }
        return constant ? -1 : at;
    }

    /** Exporters multiply by a power of two, or by √n or 1/√n of a dimension. */
    private static float nice(double ratio) {
        double size = Math.abs(ratio);
        double square = Math.rint(size < 1 ? 1 / (size * size) : size * size);
        if (square >= 1 && square <= LARGEST_ROOT) {
            double root = size < 1 ? 1 / Math.sqrt(square) : Math.sqrt(square);
            if (Math.abs(root / size - 1) < 1e-5) {
                return (float) Math.copySign(root, ratio);
            }
        }
        return (float) ratio;
    }
}
