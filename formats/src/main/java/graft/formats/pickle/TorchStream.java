package graft.formats.pickle;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What {@code torch.save} wrote before 1.6: five pickles (a magic number, a version, facts about
 * the machine, the object, the keys of its storages), then per key an i64 count and as many
 * elements.
 */
final class TorchStream {
    private static final BigInteger MAGIC = new BigInteger("1950a86a20f9469cfc6c", 16);
    private static final Long VERSION = 1001L;

    private final String file;
    private final MemorySegment bytes;
    private final Map<String, MemorySegment> stored = new HashMap<>();

    private TorchStream(String file, MemorySegment bytes) {
        this.file = file;
        this.bytes = bytes;
    }

    static Contents read(String file, MemorySegment bytes) throws FormatException {
        return new TorchStream(file, bytes).contents();
    }

    private Contents contents() throws FormatException {
        var unpickler = new Unpickler(file, bytes, 0);
        if (!MAGIC.equals(unpickler.next())) {
            throw bad(0, "a pickle, but not one by torch.save");
        }
        if (!VERSION.equals(unpickler.next())) {
            throw bad(unpickler.position(), "not version 1001 of torch's stream");
        }
        checkMachine(unpickler.position(), unpickler.next());
        Object root = unpickler.next();
        long keysAt = unpickler.position();
        if (!(unpickler.next() instanceof List<?> keys)) {
            throw bad(keysAt, "the storage keys are not a list");
        }
        long dataAt = unpickler.position();
        find(keysAt, keys, dataAt, unpickler.storages());
        return new Contents(
                root, this::storage, ByteOrder.LITTLE_ENDIAN, dataAt + 8L * keys.size());
    }

    private void checkMachine(long at, Object facts) throws FormatException {
        if (!(facts instanceof Value.Dict dict)) {
            throw bad(at, "no facts about the machine that wrote it");
        }
        if (Boolean.FALSE.equals(dict.items().get("little_endian"))) {
            throw new UnsupportedFeatureException(
                    PickleRule.BAD_LEGACY,
                    FileSpot.of(file, at),
                    "an old-style file written by a big-endian machine",
                    Builder.RESAVE);
        }
    }

    /** Walks the storages in the order of {@code keys}; they must reach the end of the file. */
    private void find(long keysAt, List<?> keys, long start, Map<String, Value.Storage> declared)
            throws FormatException {
        long at = start;
        for (Object key : keys) {
            Value.Storage storage = key instanceof String name ? declared.get(name) : null;
            if (storage == null || stored.containsKey(storage.key())) {
                throw bad(keysAt, "a storage key twice, or of no storage");
            }
            if (bytes.byteSize() - at < Long.BYTES) {
                throw truncated(at, storage);
            }
            long elements = bytes.get(Layouts.I64, at);
            if (elements != storage.elements()) {
                throw new MalformedFileException(
                        PickleRule.STORAGE_SIZE,
                        FileSpot.of(file, at),
                        "storage %s has %d elements, the pickle declares %d"
                                .formatted(
                                        FileSpot.quote(storage.key()),
                                        elements,
                                        storage.elements()));
            }
            at += Long.BYTES;
            if (storage.bytes() > bytes.byteSize() - at) {
                throw truncated(at, storage);
            }
            stored.put(storage.key(), bytes.asSlice(at, storage.bytes()));
            at += storage.bytes();
        }
        if (at != bytes.byteSize()) {
            throw new MalformedFileException(
                    PickleRule.TRAILING_DATA,
                    FileSpot.of(file, at),
                    "%d bytes after the last storage".formatted(bytes.byteSize() - at));
        }
    }

    private MemorySegment storage(Value.Storage storage) throws FormatException {
        MemorySegment found = stored.get(storage.key());
        if (found == null) {
            throw new MalformedFileException(
                    PickleRule.MISSING_STORAGE,
                    FileSpot.of(file, storage.offset()),
                    "no data for storage %s".formatted(FileSpot.quote(storage.key())));
        }
        return found;
    }

    private MalformedFileException truncated(long at, Value.Storage storage) {
        return new MalformedFileException(
                PickleRule.TRUNCATED_DATA,
                FileSpot.of(file, at),
                "the file ends within storage %s".formatted(FileSpot.quote(storage.key())));
    }

    private MalformedFileException bad(long at, String problem) {
        return new MalformedFileException(PickleRule.BAD_LEGACY, FileSpot.of(file, at), problem);
    }
}
