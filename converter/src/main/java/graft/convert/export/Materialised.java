package graft.convert.export;

import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The bytes an initializer gets, in native memory: one tensor at a time, as large as the largest
 * changed one.
 */
final class Materialised {
    private static final int TILE = 1 << 15;

    private Materialised() {}

    /**
     * @param original the initializer's bytes in the graph, of which what does not change stays;
     *     nothing for zeros
     */
    static MemorySegment of(ExportPlan.Target target, MemorySegment original, Arena arena)
            throws IOException {
        MemorySegment bytes = allocate(target.after(), arena);
        if (!target.isWhole()) {
            MemorySegment.copy(original, 0, bytes, 0, original.byteSize());
        }
        for (ExportPlan.Placed placed : target.placed()) {
            put(placed, target.after(), bytes);
        }
        return bytes;
    }

    /** The bytes of a tensor of its own. */
    static MemorySegment of(TensorInfo info, TensorChange.Values values, Arena arena)
            throws IOException {
        MemorySegment bytes = allocate(info, arena);
        copy(values, info.shape().elements(), Layout.IDENTITY, info.dtype(), bytes, 0);
        return bytes;
    }

    static MemorySegment allocate(TensorInfo info, Arena arena) {
        return arena.allocate(Math.max(1, info.bytes()), 64).asSlice(0, info.bytes());
    }

    /** The same values in another type, rounded once. */
    static MemorySegment cast(TensorInfo info, MemorySegment bytes, DType to, Arena arena)
            throws IOException {
        var target = new TensorInfo(info.name(), to, info.shape());
        return of(target, ModelChanges.values(info.dtype(), bytes), arena);
    }

    private static void put(ExportPlan.Placed placed, TensorInfo after, MemorySegment bytes)
            throws IOException {
        Layout layout = placed.layout();
        switch (placed.change()) {
            case TensorChange.Replace replace -> values(replace, layout, after, bytes);
            case TensorChange.Scatter scatter -> {
                long wide = TensorValues.columns(after);
                long narrow = TensorValues.columns(scatter.info());
                float[] one = new float[1];
                scatter.entries()
                        .walk((index, value) -> {
                            one[0] = layout.value(value);
                            long at = TensorValues.place(wide, narrow, layout, index);
                            Elements.narrow(after.dtype(), one, 0, bytes, at, 1);
                        });
            }
        }
    }

    private static void values(
            TensorChange.Replace replace, Layout layout, TensorInfo after, MemorySegment bytes)
            throws IOException {
        TensorInfo info = replace.info();
        if (layout.isTransposed()) {
            transpose(replace, layout, after, bytes);
        } else if (layout.isWhole() || layout.axis() == 0) {
            long at = layout.rowFrom() * TensorValues.columns(after);
            copy(replace.values(), info.shape().elements(), layout, after.dtype(), bytes, at);
        } else {
            int columns = Math.toIntExact(TensorValues.columns(info));
            float[] row = new float[columns];
            for (long i = 0; i < TensorValues.rows(info); i++) {
                replace.values().read(i * columns, row, columns);
                valued(row, columns, layout);
                long at = i * TensorValues.columns(after) + layout.columnFrom();
                Elements.narrow(after.dtype(), row, 0, bytes, at, columns);
            }
        }
    }

    private static void copy(
            TensorChange.Values from,
            long elements,
            Layout layout,
            DType type,
            MemorySegment bytes,
            long at)
            throws IOException {
        float[] values = new float[(int) Math.clamp(elements, 1, TILE)];
        for (long first = 0; first < elements; first += values.length) {
            int count = (int) Math.min(values.length, elements - first);
            from.read(first, values, count);
            valued(values, count, layout);
            Elements.narrow(type, values, 0, bytes, at + first, count);
        }
    }

    private static void valued(float[] values, int count, Layout layout) {
        if (!layout.isExact()) {
            for (int i = 0; i < count; i++) {
                values[i] = layout.value(values[i]);
            }
        }
    }

    private static void transpose(
            TensorChange.Replace replace, Layout layout, TensorInfo after, MemorySegment bytes)
            throws IOException {
        int rows = Math.toIntExact(replace.info().shape().extent(0));
        int columns = Math.toIntExact(replace.info().shape().extent(1));
        long wide = TensorValues.columns(after);
        Columns.walk(
                replace.values(),
                rows,
                columns,
                (column, values) -> {
                    valued(values, rows, layout);
                    long at = (layout.rowFrom() + column) * wide + layout.columnFrom();
                    Elements.narrow(after.dtype(), values, 0, bytes, at, rows);
                });
    }
}
