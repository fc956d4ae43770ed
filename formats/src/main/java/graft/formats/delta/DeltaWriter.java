package graft.formats.delta;

import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * Writes a delta whose sizes are planned beforehand ({@link IndexSizes}). Tensors may then be
 * written in any order, each by one thread; bytes do not depend on it.
 */
public final class DeltaWriter implements AutoCloseable {
    private static final int BUFFER_BYTES = 1 << 16;

    private final SafetensorsWriter file;
    private final Map<String, Long> offsets = new HashMap<>();

    private DeltaWriter(SafetensorsWriter file, DeltaHeader header) {
        this.file = file;
        long at = 0;
        for (SparseTensor tensor : header.tensors()) {
            offsets.put(tensor.info().name(), at);
            at += tensor.bytes();
        }
    }

    /**
     * @param path must not exist
     * @param whole tensors stored whole; their bytes are written with {@link #writeWhole}
     * @throws IllegalArgumentException if a tensor has one of the format's own names
     */
    public static DeltaWriter create(Path path, DeltaHeader header, Collection<TensorInfo> whole)
            throws IOException {
        byte[] directory = Directory.write(header);
        List<TensorInfo> tensors = new ArrayList<>(whole);
        tensors.add(bytes(DeltaHeader.DIRECTORY, directory.length));
        tensors.add(bytes(DeltaHeader.BLOB, header.sparseBytes()));
        var metadata =
                Map.of(
                        DeltaHeader.FORMAT_KEY,
                        DeltaHeader.FORMAT,
                        DeltaHeader.VERSION_KEY,
                        Integer.toString(DeltaHeader.VERSION));
        var file = SafetensorsWriter.create(path, tensors, metadata);
        try {
            file.write(DeltaHeader.DIRECTORY, 0, MemorySegment.ofArray(directory));
            return new DeltaWriter(file, header);
        } catch (Throwable e) {
            file.close();
            throw e;
        }
    }

    private static TensorInfo bytes(String name, long count) {
        return new TensorInfo(name, DType.U8, Shape.of(count));
    }

    /** Writes a tensor that is stored whole. */
    public void writeWhole(TensorInfo whole, MemorySegment bytes) throws IOException {
        file.write(whole.name(), 0, bytes);
    }

    /** Opens a tensor's part of the blob; close it when its planned entries are added. */
    public Entries entries(SparseTensor tensor) {
        Long offset = offsets.get(tensor.info().name());
        if (offset == null) {
            throw new NoSuchElementException(tensor.info().name());
        }
        return new Entries(tensor, offset);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }

    /** Takes the entries of one tensor, in ascending order. Not thread-safe. */
    public final class Entries implements AutoCloseable {
        private final SparseTensor tensor;
        private final OutputStream indexBytes;
        private final OutputStream valueBytes;
        private final IndexEncoder index;
        private final BitOutput signs;
        private final MemorySegment one = MemorySegment.ofArray(new byte[8]);
        private final float[] value = new float[1];

        private Entries(SparseTensor tensor, long offset) {
            this.tensor = tensor;
            this.indexBytes = region(offset, tensor.indexBytes());
            this.valueBytes = region(offset + tensor.indexBytes(), tensor.valueBytes());
            this.index = new IndexEncoder(tensor, indexBytes);
            this.signs = new BitOutput(valueBytes);
        }

        private OutputStream region(long start, long bytes) {
            return new BufferedOutputStream(new Region(start, bytes), BUFFER_BYTES);
        }

        /**
         * @param value the model's own value, or for signs anything with the sign of the difference
         */
        public void add(long position, float value) throws IOException {
            index.add(position);
            if (tensor.values() == ValueCodec.SIGN) {
                signs.write(value < 0 ? 1 : 0);
                return;
            }
            DType type = tensor.info().dtype();
            this.value[0] = value;
            Elements.narrow(type, this.value, 0, one, 0, 1);
            valueBytes.write((byte[]) one.heapBase().orElseThrow(), 0, type.bytes());
        }

        /**
         * @throws IllegalStateException if the entries are not those that were planned
         */
        @Override
        public void close() throws IOException {
            index.finish();
            signs.finish();
            indexBytes.close();
            valueBytes.close();
        }
    }

    /** A fixed part of the blob as a stream. */
    private final class Region extends OutputStream {
        private final long end;
        private long at;

        Region(long start, long bytes) {
            this.at = start;
            this.end = start + bytes;
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            if (length > end - at) {
                throw new IllegalStateException("more bytes than planned");
            }
            file.write(DeltaHeader.BLOB, at, MemorySegment.ofArray(bytes).asSlice(offset, length));
            at += length;
        }

        @Override
        public void close() {
            if (at != end) {
                throw new IllegalStateException("%d bytes fewer than planned".formatted(end - at));
            }
        }
    }
}
