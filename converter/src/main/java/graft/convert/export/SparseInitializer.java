package graft.convert.export;

import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * An initializer as values scattered over shared data. ONNX Runtime computes it once, when it loads
 * the graph; in every run, if gaps and values are inputs.
 *
 * <p>Positions are stored as the u16 gaps between them, in ascending order of the initializer:
 * {@code Cast → CumSum → ScatterElements} over the flattened base. A gap too wide for 16 bits is
 * bridged by writing a value that the base has already. Two bytes a position, where ScatterND's own
 * indices take eight per axis.
 */
final class SparseInitializer {
    private static final int WIDEST_GAP = 0xffff;
    private static final ValueLayout.OfLong I64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final ExportPlan.Target target;
    private final TensorInfo info;
    private final Arena arena;

    /**
     * @param target whose changes are all scatters
     * @param type of the stored values
     */
    SparseInitializer(ExportPlan.Target target, DType type, Arena arena) {
        this.target = target;
        this.info = new TensorInfo(target.before().name(), type, target.before().shape());
        this.arena = arena;
    }

    /** Bytes that positions and values take, bridges not counted. */
    static long bytes(ExportPlan.Target target, DType type) {
        return count(target) * (2 + type.bytes());
    }

    private static long count(ExportPlan.Target target) {
        return target.placed().stream()
                .mapToLong(p -> ((TensorChange.Scatter) p.change()).count())
                .sum();
    }

    /**
     * Positions and values.
     *
     * @param gaps u16
     */
    record Coded(
            TensorInfo gapInfo, MemorySegment gaps, TensorInfo valueInfo, MemorySegment values) {}

    /**
     * Positions and values, bridges among them.
     *
     * @param under the base's bytes, in the type of the stored values
     */
    Coded coded(MemorySegment under) throws IOException {
        long count = count(target);
        MemorySegment positions = arena.allocate(Math.max(8, 8 * count), 64);
        MemorySegment values = arena.allocate(Math.max(8, info.dtype().bytes() * count), 64);
        collect(positions, values);
        long all = count + bridges(positions, count);
        String name = target.after().name();
        var gapInfo = new TensorInfo(gapName(name), DType.U16, Shape.of(all));
        var valueInfo = new TensorInfo(valueName(name), info.dtype(), Shape.of(all));
        var coded =
                new Coded(
                        gapInfo,
                        Materialised.allocate(gapInfo, arena),
                        valueInfo,
                        Materialised.allocate(valueInfo, arena));
        code(positions, values, count, under, coded.gaps(), coded.values());
        return coded;
    }

    static String gapName(String initializer) {
        return "graft/gap/" + initializer;
    }

    static String valueName(String initializer) {
        return "graft/value/" + initializer;
    }

    /**
     * Adds nodes that write {@code output}, from gaps and values that are in the graph or put in.
     *
     * @param name of the initializer after its changes
     * @param base value of the shared data, of one axis
     */
    static void addNodes(GraphEditor editor, String name, Shape shape, String base, String output) {
        editor.put(integers("graft/axis", 0).build());
        editor.put(integers("graft/shape/" + name, shape.toArray()).addDims(shape.rank()).build());
        String wide = "graft/wide/" + name;
        editor.cast(gapName(name), wide, TensorProto.DataType.INT64_VALUE);
        String index = "graft/index/" + name;
        editor.first(editor.compute("CumSum", index, wide, "graft/axis"));
        String laid = "graft/laid/" + name;
        editor.first(
                editor.compute("ScatterElements", laid, base, index, valueName(name))
                        .addAttribute(GraphEditor.integer("axis", 0)));
        editor.first(editor.compute("Reshape", output, laid, "graft/shape/" + name));
    }

    /** A scalar, until it gets an axis. */
    static TensorProto.Builder integers(String name, long... values) {
        TensorProto.Builder tensor =
                TensorProto.newBuilder()
                        .setName(name)
                        .setDataType(TensorProto.DataType.INT64_VALUE);
        for (long value : values) {
            tensor.addInt64Data(value);
        }
        return tensor;
    }

    /**
     * Puts all entries in ascending order of the initializer: a counting sort by its rows, for
     * within a row the walk is ascending already, transposed or not.
     */
    private void collect(MemorySegment positions, MemorySegment values) throws IOException {
        int rows = Math.toIntExact(TensorValues.rows(info));
        long wide = TensorValues.columns(info);
        long[] next = new long[rows + 1];
        for (ExportPlan.Placed placed : target.placed()) {
            walk(placed, (at, _) -> next[(int) (at / wide) + 1]++);
        }
        for (int row = 0; row < rows; row++) {
            next[row + 1] += next[row];
        }
        float[] one = new float[1];
        for (ExportPlan.Placed placed : target.placed()) { // by ascending column within a row
            walk(
                    placed,
                    (at, value) -> {
                        long slot = next[(int) (at / wide)]++;
                        one[0] = value;
                        positions.set(I64, 8 * slot, at);
                        Elements.narrow(info.dtype(), one, 0, values, slot, 1);
                    });
        }
    }

    private void walk(ExportPlan.Placed placed, TensorChange.Entry entry) throws IOException {
        Layout layout = placed.layout();
        long wide = TensorValues.columns(info);
        long narrow = TensorValues.columns(placed.change().info());
        var scatter = (TensorChange.Scatter) placed.change();
        long[] seen = {0};
        scatter.entries()
                .walk((index, value) -> {
                    seen[0]++;
                    entry.put(TensorValues.place(wide, narrow, layout, index), layout.value(value));
                });
        if (seen[0] != scatter.count()) {
            throw new IllegalStateException(
                    "%s: %d entries, %d announced"
                            .formatted(scatter.info().name(), seen[0], scatter.count()));
        }
    }

    private static long bridges(MemorySegment positions, long count) {
        long bridges = 0;
        long last = 0;
        for (long i = 0; i < count; i++) {
            long position = positions.get(I64, 8 * i);
            bridges += (position - last - 1 + WIDEST_GAP) / WIDEST_GAP - (position > last ? 1 : 0);
            last = position;
        }
        return bridges;
    }

    private void code(
            MemorySegment positions,
            MemorySegment values,
            long count,
            MemorySegment under,
            MemorySegment gaps,
            MemorySegment all) {
        int width = info.dtype().bytes();
        long last = 0;
        long to = 0;
        for (long i = 0; i < count; i++) {
            long position = positions.get(I64, 8 * i);
            while (position - last > WIDEST_GAP) {
                last += WIDEST_GAP;
                gaps.set(U16, 2 * to, (short) WIDEST_GAP);
                MemorySegment.copy(under, last * width, all, to * width, width);
                to++;
            }
            gaps.set(U16, 2 * to, (short) (position - last));
            MemorySegment.copy(values, i * width, all, to * width, width);
            last = position;
            to++;
        }
    }
}
