package graft.convert.sparsify;

import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaEntries;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaReader;
import graft.formats.delta.SparseTensor;
import graft.formats.delta.ValueCodec;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A delta in the layout that compressed-tensors calls {@code sparse-bitmask}, for tools that know
 * that library alone: what is to be added to the base, in float32. Of a matrix {@code x.weight} the
 * tensors {@code x.shape}, {@code x.bitmask}, {@code x.row_offsets} and {@code x.compressed}; all
 * else dense under its own name. Specified in {@code docs/sparse-delta.md}.
 */
final class BitmaskExport {
    static final String FILE_NAME = "residual.safetensors";

    private static final String WEIGHT = ".weight";
    private static final ValueLayout.OfLong I64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int TILE = 1 << 15;

    private final DeltaReader delta;
    private final Checkpoint base;
    private final SafetensorsWriter out;

    private BitmaskExport(DeltaReader delta, Checkpoint base, SafetensorsWriter out) {
        this.delta = delta;
        this.base = base;
        this.out = out;
    }

    /**
     * Replaces the delta in {@code folder} by its residual; one thread, state of one tensor.
     *
     * @return bytes that each tensor of the delta takes now, by its name there
     */
    static Map<String, Long> run(Path folder, Path basePath) throws IOException {
        Path file = folder.resolve(DeltaHeader.FILE_NAME);
        Map<String, Long> bytes = new HashMap<>();
        try (var delta = DeltaReader.open(file);
                var base = Checkpoint.open(basePath);
                var out =
                        SafetensorsWriter.create(
                                folder.resolve(FILE_NAME), tensors(delta), metadata(delta))) {
            var export = new BitmaskExport(delta, base, out);
            for (SparseTensor tensor : delta.header().tensors()) {
                bytes.put(tensor.info().name(), bytes(tensor.info(), tensor.count()));
                if (isMasked(tensor.info())) {
                    export.masked(tensor);
                } else {
                    export.dense(tensor);
                }
            }
            for (TensorInfo info : delta.whole()) {
                out.write(info.name(), 0, delta.bytes(info));
                bytes.put(info.name(), info.bytes());
            }
        }
        Files.delete(file);
        return bytes;
    }

    /** Bytes of a tensor of which {@code count} entries are kept. */
    static long bytes(TensorInfo info, long count) {
        return parts(info, count).stream().mapToLong(TensorInfo::bytes).sum();
    }

    private static boolean isMasked(TensorInfo info) {
        return info.shape().rank() == 2 && info.name().endsWith(WEIGHT);
    }

    /** What the library does not say: which tensors are no differences, and which are tied. */
    private static Map<String, String> metadata(DeltaReader delta) {
        Map<String, String> metadata = new TreeMap<>();
        metadata.put("format", "pt");
        metadata.put("graft.layout", "sparse-bitmask residual");
        metadata.put("graft.base", delta.header().baseName());
        metadata.put("graft.base_sha256", delta.header().baseSha256());
        List<String> whole = delta.whole().stream().map(TensorInfo::name).sorted().toList();
        metadata.put("graft.whole", String.join("\n", whole));
        List<String> tied = new ArrayList<>();
        delta.header().tied().forEach((name, same) -> tied.add(name + "\t" + same));
        metadata.put("graft.tied", String.join("\n", tied));
        return metadata;
    }

    private static List<TensorInfo> tensors(DeltaReader delta) {
        List<TensorInfo> tensors = new ArrayList<>(delta.whole());
        for (SparseTensor tensor : delta.header().tensors()) {
            tensors.addAll(parts(tensor.info(), tensor.count()));
        }
        return tensors;
    }

    private static List<TensorInfo> parts(TensorInfo info, long count) {
        if (!isMasked(info)) {
            return List.of(new TensorInfo(info.name(), DType.F32, info.shape()));
        }
        long rows = info.shape().extent(0);
        long bytes = (info.shape().extent(1) + 7) / 8;
        return List.of(
                part(info, "shape", DType.I64, 2),
                part(info, "row_offsets", DType.I64, rows),
                part(info, "bitmask", DType.U8, rows, bytes),
                part(info, "compressed", DType.F32, count));
    }

    private static TensorInfo part(TensorInfo of, String part, DType type, long... shape) {
        return new TensorInfo(name(of, part), type, Shape.of(shape));
    }

    private static String name(TensorInfo of, String part) {
        return of.name().substring(0, of.name().length() - WEIGHT.length()) + "." + part;
    }

    private void masked(SparseTensor tensor) throws IOException {
        TensorInfo info = tensor.info();
        long rows = info.shape().extent(0);
        long columns = info.shape().extent(1);
        long rowBytes = (columns + 7) / 8;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment shape = arena.allocate(16, 8);
            shape.set(I64, 0, rows);
            shape.set(I64, 8, columns);
            out.write(name(info, "shape"), 0, shape);
            MemorySegment offsets = arena.allocate(Math.max(8, 8 * rows), 8);
            MemorySegment mask = arena.allocate(Math.max(1, rows * rowBytes), 8);
            MemorySegment values = arena.allocate(4L * TILE, 8);
            float[] tile = new float[TILE];
            long row = 0;
            long seen = 0;
            DeltaEntries entries = delta.entries(tensor);
            MemorySegment before = base.bytes(info.name());
            DType from = base.find(info.name()).orElseThrow().dtype();
            for (boolean more = entries.next(); more; more = entries.next()) {
                long at = entries.index() / columns;
                for (; row < at; row++) {
                    offsets.set(I64, 8 * (row + 1), seen);
                }
                long column = entries.index() % columns;
                long into = at * rowBytes + column / 8;
                byte bits = mask.get(ValueLayout.JAVA_BYTE, into);
                mask.set(ValueLayout.JAVA_BYTE, into, (byte) (bits | 1 << column % 8));
                tile[(int) (seen % TILE)] = difference(tensor, entries, from, before);
                seen++;
                if (seen % TILE == 0) {
                    flush(info, tile, TILE, seen, values);
                }
            }
            flush(info, tile, (int) (seen % TILE), seen, values);
            for (; row < rows - 1; row++) {
                offsets.set(I64, 8 * (row + 1), seen);
            }
            out.write(name(info, "row_offsets"), 0, offsets.asSlice(0, 8 * rows));
            out.write(name(info, "bitmask"), 0, mask.asSlice(0, rows * rowBytes));
        }
    }

    private void flush(TensorInfo info, float[] tile, int count, long seen, MemorySegment values)
            throws IOException {
        Elements.narrow(DType.F32, tile, 0, values, 0, count);
        out.write(name(info, "compressed"), 4 * (seen - count), values.asSlice(0, 4L * count));
    }

    private static float difference(
            SparseTensor tensor, DeltaEntries entries, DType from, MemorySegment before) {
        if (tensor.values() != ValueCodec.EXACT) {
            return entries.value();
        }
        float[] one = new float[1];
        Elements.widen(from, before, entries.index(), one, 0, 1);
        return entries.value() - one[0];
    }

    private void dense(SparseTensor tensor) throws IOException {
        TensorInfo info = tensor.info();
        long elements = info.shape().elements();
        DeltaEntries entries = delta.entries(tensor);
        MemorySegment before = base.bytes(info.name());
        DType from = base.find(info.name()).orElseThrow().dtype();
        float[] tile = new float[(int) Math.clamp(elements, 1, TILE)];
        boolean more = entries.next();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(4L * tile.length, 8);
            for (long first = 0; first < elements; first += tile.length) {
                int count = (int) Math.min(tile.length, elements - first);
                java.util.Arrays.fill(tile, 0);
                while (more && entries.index() < first + count) {
                    tile[(int) (entries.index() - first)] =
                            difference(tensor, entries, from, before);
                    more = entries.next();
                }
                Elements.narrow(DType.F32, tile, 0, bytes, 0, count);
                out.write(info.name(), 4 * first, bytes.asSlice(0, 4L * count));
            }
        }
    }
}
