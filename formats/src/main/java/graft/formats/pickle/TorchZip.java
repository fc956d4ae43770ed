package graft.formats.pickle;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * The archive that {@code torch.save} writes since 1.6: {@code root/data.pkl}, a {@code
 * root/data/KEY} for each storage, {@code root/byteorder}.
 */
final class TorchZip {
    private final String file;
    private final ZipArchive archive;
    private final String root;

    private TorchZip(String file, ZipArchive archive, String root) {
        this.file = file;
        this.archive = archive;
        this.root = root;
    }

    static Contents read(String file, MemorySegment bytes) throws FormatException {
        ZipArchive archive = ZipArchive.read(file, bytes);
        var zip = new TorchZip(file, archive, root(file, archive));
        return zip.contents();
    }

    /** The folder that all entries lie in. */
    private static String root(String file, ZipArchive archive) throws FormatException {
        if (archive.entries().isEmpty()) {
            throw bad(file, "the archive is empty");
        }
        String first = archive.entries().firstEntry().getKey();
        String root = first.substring(0, first.indexOf('/') + 1);
        for (String name : archive.entries().keySet()) {
            if (root.isEmpty() || !name.startsWith(root)) {
                throw bad(
                        file,
                        "entry %s is not in one folder with the others"
                                .formatted(FileSpot.quote(name)));
            }
        }
        return root;
    }

    private Contents contents() throws FormatException {
        if (archive.entries().containsKey(root + "constants.pkl")) {
            throw new UnsupportedFeatureException(
                    PickleRule.TORCHSCRIPT,
                    FileSpot.of(file),
                    "a TorchScript program, not a checkpoint",
                    "save the module's state_dict with torch.save");
        }
        ZipArchive.Entry pickle = archive.entries().get(root + "data.pkl");
        if (pickle == null) {
            throw bad(file, "no entry %s".formatted(FileSpot.quote(root + "data.pkl")));
        }
        pickle.check(file);
        var unpickler = new Unpickler(file, pickle.bytes(), pickle.offset());
        Object value = unpickler.next();
        if (unpickler.position() != pickle.bytes().byteSize()) {
            throw new MalformedFileException(
                    PickleRule.TRAILING_DATA,
                    FileSpot.of(file, pickle.offset() + unpickler.position()),
                    "%d bytes after the pickle"
                            .formatted(pickle.bytes().byteSize() - unpickler.position()));
        }
        return new Contents(
                value,
                this::storage,
                byteOrder(),
                archive.directoryBytes() + pickle.bytes().byteSize());
    }

    /** Archives without the record are older than big-endian support. */
    private ByteOrder byteOrder() throws FormatException {
        ZipArchive.Entry entry = archive.entries().get(root + "byteorder");
        if (entry == null) {
            return ByteOrder.LITTLE_ENDIAN;
        }
        var start = entry.bytes().asSlice(0, Math.min(16, entry.bytes().byteSize()));
        String order =
                new String(start.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1);
        return switch (order) {
            case "little" -> ByteOrder.LITTLE_ENDIAN;
            case "big" -> ByteOrder.BIG_ENDIAN;
            default -> throw bad(file, "byte order " + FileSpot.quote(order));
        };
    }

    private MemorySegment storage(Value.Storage storage) throws FormatException {
        ZipArchive.Entry entry = archive.entries().get(root + "data/" + storage.key());
        if (entry == null) {
            throw new MalformedFileException(
                    PickleRule.MISSING_STORAGE,
                    FileSpot.of(file, storage.offset()),
                    "no entry for storage %s".formatted(FileSpot.quote(storage.key())));
        }
        if (entry.bytes().byteSize() != storage.bytes()) {
            throw new MalformedFileException(
                    PickleRule.STORAGE_SIZE,
                    FileSpot.of(file, entry.offset()),
                    "storage %s has %d bytes, the pickle declares %d"
                            .formatted(
                                    FileSpot.quote(storage.key()),
                                    entry.bytes().byteSize(),
                                    storage.bytes()));
        }
        return entry.bytes();
    }

    private static MalformedFileException bad(String file, String problem) {
        return new MalformedFileException(PickleRule.BAD_ARCHIVE, FileSpot.of(file), problem);
    }
}
