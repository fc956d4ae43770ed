package graft.formats.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;

import graft.formats.FileSpot;
import graft.formats.io.FileWrites;
import graft.formats.io.WrittenHash;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSink;

import org.jspecify.annotations.Nullable;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.TreeMap;

/**
 * Writes one safetensors file, byte for byte as the reference crate 0.8 would: tensors by
 * descending alignment, then by the UTF-8 bytes of their names; compact JSON; spaces up to a
 * multiple of 8. Metadata keys, which the crate leaves in random order, are sorted.
 *
 * <p>The header is planned from names, types and shapes alone, so that tensors may then be written
 * in any order from any thread, by positional writes. Write to a temporary ({@link
 * graft.formats.io.StagedOutput}): the file is not complete until every tensor is written.
 */
public final class SafetensorsWriter implements TensorSink {
    /** Escapes exactly what the crate escapes, and as it does. */
    private static final JsonFactory JSON =
            JsonFactory.builder()
                    .enable(JsonWriteFeature.COMBINE_UNICODE_SURROGATES_IN_UTF8)
                    .disable(JsonWriteFeature.WRITE_HEX_UPPER_CASE)
                    .build();

    private static final Comparator<TensorInfo> CRATE_ORDER =
            Comparator.comparing(TensorInfo::dtype)
                    .reversed()
                    .thenComparing(
                            info -> info.name().getBytes(StandardCharsets.UTF_8),
                            Arrays::compareUnsigned);

    private record Slot(long begin, long bytes) {}

    private final FileChannel channel;
    private final Map<String, Slot> slots;
    private final long headerBytes;
    private @Nullable WrittenHash hash;

    private SafetensorsWriter(FileChannel channel, Map<String, Slot> slots, long headerBytes) {
        this.channel = channel;
        this.slots = slots;
        this.headerBytes = headerBytes;
    }

    /**
     * Creates {@code path}, which must not exist, and writes the header.
     *
     * @throws IllegalArgumentException if two tensors share a name or the header would exceed 100
     *     MB
     */
    public static SafetensorsWriter create(
            Path path, Collection<TensorInfo> tensors, Map<String, String> metadata)
            throws IOException {
        return open(path, tensors, metadata, StandardOpenOption.CREATE_NEW);
    }

    /**
     * The same, but a file that is there is gone on with: its header is written anew, its tensors
     * stay as they are. For runs that know what they wrote before they were killed.
     */
    public static SafetensorsWriter createOrReopen(
            Path path, Collection<TensorInfo> tensors, Map<String, String> metadata)
            throws IOException {
        return open(path, tensors, metadata, StandardOpenOption.CREATE);
    }

    private static SafetensorsWriter open(
            Path path,
            Collection<TensorInfo> tensors,
            Map<String, String> metadata,
            StandardOpenOption option)
            throws IOException {
        List<TensorInfo> ordered = tensors.stream().sorted(CRATE_ORDER).toList();
        ByteBuffer header = header(ordered, metadata);
        Map<String, Slot> slots = HashMap.newHashMap(ordered.size());
        long at = header.remaining();
        for (TensorInfo info : ordered) {
            if (slots.put(info.name(), new Slot(at, info.bytes())) != null) {
                throw new IllegalArgumentException("two tensors named " + info.name());
            }
            at = Math.addExact(at, info.bytes());
        }
        var channel =
                FileChannel.open(path, option, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            long headerBytes = header.remaining();
            FileWrites.fully(channel, header, 0);
            return new SafetensorsWriter(channel, slots, headerBytes);
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
    }

    /** Bytes of the whole file that {@link #create} plans, header included. */
    public static long fileBytes(Collection<TensorInfo> tensors, Map<String, String> metadata)
            throws IOException {
        long bytes = header(tensors.stream().sorted(CRATE_ORDER).toList(), metadata).remaining();
        for (TensorInfo info : tensors) {
            bytes = Math.addExact(bytes, info.bytes());
        }
        return bytes;
    }

    private static ByteBuffer header(List<TensorInfo> ordered, Map<String, String> metadata)
            throws IOException {
        var json = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(json)) {
            out.writeStartObject();
            if (!metadata.isEmpty()) {
                out.writeObjectFieldStart("__metadata__");
                for (var entry : new TreeMap<>(metadata).entrySet()) {
                    out.writeStringField(entry.getKey(), entry.getValue());
                }
                out.writeEndObject();
            }
            long begin = 0;
            for (TensorInfo info : ordered) {
                out.writeObjectFieldStart(info.name());
                out.writeStringField("dtype", info.dtype().name());
                out.writeFieldName("shape");
                long[] extents = info.shape().toArray();
                out.writeArray(extents, 0, extents.length);
                long end = Math.addExact(begin, info.bytes());
                out.writeFieldName("data_offsets");
                out.writeArray(new long[] {begin, end}, 0, 2);
                out.writeEndObject();
                begin = end;
            }
            out.writeEndObject();
        }
        while (json.size() % 8 != 0) {
            json.write(' ');
        }
        if (json.size() > SafetensorsHeader.MAX_BYTES) {
            throw new IllegalArgumentException(
                    "header of %d bytes, limit %d"
                            .formatted(json.size(), SafetensorsHeader.MAX_BYTES));
        }
        return ByteBuffer.allocate(SafetensorsHeader.PREFIX_BYTES + json.size())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.size())
                .put(json.toByteArray())
                .flip();
    }

    @Override
    public void write(String tensor, long at, MemorySegment bytes) throws IOException {
        Slot slot = slot(tensor);
        Objects.checkFromIndexSize(at, bytes.byteSize(), slot.bytes());
        long begin = slot.begin() + at;
        FileWrites.fully(channel, bytes, begin);
        if (hash != null) {
            hash.wrote(begin, begin + bytes.byteSize());
        }
    }

    private Slot slot(String tensor) {
        Slot slot = slots.get(tensor);
        if (slot == null) {
            throw new NoSuchElementException("not planned: " + FileSpot.quote(tensor));
        }
        return slot;
    }

    /** Of a file that was reopened, a tensor that was written before and stays as it is. */
    public void keep(String tensor) throws IOException {
        Slot slot = slot(tensor);
        if (hash != null) {
            hash.wrote(slot.begin(), slot.begin() + slot.bytes());
        }
    }

    /** Lets the file be hashed while it is written; to be called before any tensor is. */
    public SafetensorsWriter hashing() throws IOException {
        hash = new WrittenHash(channel);
        hash.wrote(0, headerBytes);
        return this;
    }

    /**
     * SHA-256 of the whole file, in lower-case hex; to be called once, when it is complete.
     *
     * @throws IllegalStateException without {@link #hashing}
     */
    public String sha256() throws IOException {
        if (hash == null) {
            throw new IllegalStateException("not hashed while it was written");
        }
        return hash.hex();
    }

    @Override
    public void close() throws IOException {
        try (channel) {
            if (hash != null) {
                hash.close();
            }
        }
    }
}
