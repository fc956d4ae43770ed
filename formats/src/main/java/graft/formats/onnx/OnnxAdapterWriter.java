package graft.formats.onnx;

import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.FileWrites;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * Writes a {@code .onnx_adapter}: named parameters that ONNX Runtime puts in the place of a graph's
 * optional inputs.
 *
 * <p>A FlatBuffers file of ONNX Runtime's {@code adapter_schema.fbs}, laid out front to back: root
 * table, one table per parameter with its name and extents, then the data. The layout is planned
 * from names, types and shapes alone, so that data may then be written in any order. Bytes depend
 * on nothing but the parameters in the order given. Not thread-safe.
 */
public final class OnnxAdapterWriter implements AutoCloseable {
    /** ONNX Runtime maps the file into a 32-bit offset space. */
    private static final long LARGEST_BYTES = Integer.MAX_VALUE;

    private final FileChannel channel;
    private final Map<String, Slot> slots;

    private record Slot(long begin, long bytes) {}

    private OnnxAdapterWriter(FileChannel channel, Map<String, Slot> slots) {
        this.channel = channel;
        this.slots = slots;
    }

    /**
     * Creates {@code path}, which must not exist, and writes everything but the data.
     *
     * @param parameters named as the graph's inputs
     * @param versions numbers of the adapter's and the model's version, which ONNX Runtime reports
     *     and does not read
     * @throws IllegalArgumentException if a name comes twice, or a type is not known to ONNX
     * @throws UnsupportedFeatureException if the file would exceed 2 GiB
     */
    public static OnnxAdapterWriter create(
            Path path, Collection<TensorInfo> parameters, Versions versions) throws IOException {
        List<TensorInfo> ordered = List.copyOf(parameters);
        var layout = Layout.of(path, ordered);
        ByteBuffer head = layout.head(ordered, versions);
        var channel =
                FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        try {
            FileWrites.fully(channel, head, 0);
            Map<String, Slot> slots = HashMap.newHashMap(ordered.size());
            for (int i = 0; i < ordered.size(); i++) {
                TensorInfo info = ordered.get(i);
                var length = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
                length.putInt((int) info.bytes()).flip();
                FileWrites.fully(channel, length, layout.data[i] - 4);
                if (slots.put(info.name(), new Slot(layout.data[i], info.bytes())) != null) {
                    throw new IllegalArgumentException("two parameters named " + info.name());
                }
            }
            if (channel.size()
                    < layout.end) { // the last parameter is empty, or its data is to come
                FileWrites.fully(channel, ByteBuffer.allocate(1), layout.end - 1);
            }
            return new OnnxAdapterWriter(channel, slots);
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
    }

    /** What an adapter says of itself and of the model it is for. */
    public record Versions(int adapter, int model) {
        /** When nobody counts. */
        public static final Versions FIRST = new Versions(1, 1);
    }

    /** Writes the whole data of one parameter. */
    public void write(String parameter, MemorySegment bytes) throws IOException {
        Slot slot = slots.get(parameter);
        if (slot == null) {
            throw new NoSuchElementException("not planned: " + parameter);
        }
        if (bytes.byteSize() != slot.bytes()) {
            throw new IllegalArgumentException(
                    "%s: %d bytes, planned %d"
                            .formatted(parameter, bytes.byteSize(), slot.bytes()));
        }
        FileWrites.fully(channel, bytes, slot.begin());
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    /**
     * Where everything lies. Offsets in FlatBuffers are relative: from the place of the offset
     * forward to the object, and from a table back to its vtable.
     */
    private static final class Layout {
        private static final int ADAPTER_VTABLE = 8;
        private static final int ADAPTER_TABLE = ADAPTER_VTABLE + 12;
        private static final int PARAMETER_VTABLE = ADAPTER_TABLE + 20;
        private static final int VECTOR = PARAMETER_VTABLE + 12;
        private static final int PARAMETER_BYTES = 20;

        private final int[] table;
        private final int[] name;
        private final int[] dims;
        private final long[] data;
        private final int headBytes;
        private final long end;

        private Layout(List<TensorInfo> parameters) {
            int count = parameters.size();
            table = new int[count];
            name = new int[count];
            dims = new int[count];
            data = new long[count];
            long at = VECTOR + 4 + 4L * count;
            for (int i = 0; i < count; i++) {
                TensorInfo info = parameters.get(i);
                table[i] = Math.toIntExact(at);
                at += PARAMETER_BYTES;
                name[i] = Math.toIntExact(at);
                at = align(at + 4 + utf8(info).length + 1, 4);
                dims[i] = Math.toIntExact(alignedData(at) - 4); // extents are int64
                at = dims[i] + 4 + 8L * info.shape().rank();
            }
            headBytes = Math.toIntExact(at);
            for (int i = 0; i < count; i++) {
                data[i] = alignedData(at); // force_align: 8
                at = align(data[i] + parameters.get(i).bytes(), 4);
            }
            end = at;
        }

        static Layout of(Path path, List<TensorInfo> parameters)
                throws UnsupportedFeatureException {
            try {
                var layout = new Layout(parameters);
                if (layout.end <= LARGEST_BYTES) {
                    return layout;
                }
            } catch (ArithmeticException e) {
                // said below
            }
            throw new UnsupportedFeatureException(
                    FileSpot.of(path),
                    "would exceed 2 GiB, the most that ONNX Runtime reads",
                    "make a graph of each model: merged or shared");
        }

        private static long align(long at, int to) {
            return (at + to - 1) / to * to;
        }

        /** Of a vector whose length, four bytes, comes before its data. */
        private static long alignedData(long at) {
            return align(at + 4, 8);
        }

        private static byte[] utf8(TensorInfo info) {
            return info.name().getBytes(StandardCharsets.UTF_8);
        }

        ByteBuffer head(List<TensorInfo> parameters, Versions versions) {
            var out = ByteBuffer.allocate(headBytes).order(ByteOrder.LITTLE_ENDIAN);
            out.putInt(0, ADAPTER_TABLE).put(4, OnnxAdapter.IDENTIFIER);
            vtable(out, ADAPTER_VTABLE, 20, 4, 8, 12, 16);
            out.putInt(ADAPTER_TABLE, ADAPTER_TABLE - ADAPTER_VTABLE);
            out.putInt(ADAPTER_TABLE + 4, OnnxAdapter.FORMAT_VERSION);
            out.putInt(ADAPTER_TABLE + 8, versions.adapter());
            out.putInt(ADAPTER_TABLE + 12, versions.model());
            out.putInt(ADAPTER_TABLE + 16, VECTOR - (ADAPTER_TABLE + 16));
            vtable(out, PARAMETER_VTABLE, PARAMETER_BYTES, 4, 8, 12, 16);
            out.putInt(VECTOR, parameters.size());
            for (int i = 0; i < parameters.size(); i++) {
                out.putInt(VECTOR + 4 + 4 * i, table[i] - (VECTOR + 4 + 4 * i));
                parameter(out, parameters.get(i), i);
            }
            return out;
        }

        private void parameter(ByteBuffer out, TensorInfo info, int i) {
            out.putInt(table[i], table[i] - PARAMETER_VTABLE);
            out.putInt(table[i] + 4, name[i] - (table[i] + 4));
            out.putInt(table[i] + 8, dims[i] - (table[i] + 8));
            out.putInt(table[i] + 12, OnnxTypes.of(info.dtype()).getNumber());
            out.putInt(table[i] + 16, (int) (data[i] - 4 - (table[i] + 16)));
            byte[] text = utf8(info);
            out.putInt(name[i], text.length).put(name[i] + 4, text);
            out.putInt(dims[i], info.shape().rank());
            for (int axis = 0; axis < info.shape().rank(); axis++) {
                out.putLong(dims[i] + 4 + 8 * axis, info.shape().extent(axis));
            }
        }

        /** Its own length, the table's length, then the place of each field in the table. */
        private static void vtable(ByteBuffer out, int at, int tableBytes, int... fields) {
            out.putShort(at, (short) (4 + 2 * fields.length)).putShort(at + 2, (short) tableBytes);
            for (int i = 0; i < fields.length; i++) {
                out.putShort(at + 4 + 2 * i, (short) fields[i]);
            }
        }
    }
}
