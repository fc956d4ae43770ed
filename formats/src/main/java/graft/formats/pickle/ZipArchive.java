package graft.formats.pickle;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.Layouts;

import java.lang.foreign.MemorySegment;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.zip.CRC32;

/**
 * The entries of a ZIP archive whose entries are all stored, as views of the mapped file.
 *
 * <p>Own code, because no library at hand says where an entry's bytes lie and compares each local
 * header with the directory: two readers that trust different ones see different files.
 *
 * @param directoryBytes bytes read: the directory and the local headers
 */
record ZipArchive(SequencedMap<String, Entry> entries, long directoryBytes) {

    private static final int MAX_ENTRIES = 1_000_000;
    private static final int END_BYTES = 22;
    private static final int LOCATOR_BYTES = 20;
    private static final int END64_BYTES = 56;
    private static final int CENTRAL_BYTES = 46;
    private static final int LOCAL_BYTES = 30;
    private static final int END_MARK = 0x06054b50;
    private static final int LOCATOR_MARK = 0x07064b50;
    private static final int END64_MARK = 0x06064b50;
    private static final int CENTRAL_MARK = 0x02014b50;
    private static final int LOCAL_MARK = 0x04034b50;
    private static final int ENCRYPTED = 1;
    private static final int STREAMED = 8; // sizes follow the data, the local header may hold 0
    private static final long IN_EXTRA = 0xffffffffL;

    /**
     * One stored entry.
     *
     * @param offset byte of the file at which its data begins
     * @param crc CRC-32 that the directory claims
     */
    record Entry(String name, MemorySegment bytes, long offset, int crc) {
        /** Compares the bytes with the checksum; reads all of them. */
        void check(String file) throws MalformedFileException {
            var crc = new CRC32();
            crc.update(bytes.asByteBuffer());
            if ((int) crc.getValue() != this.crc) {
                throw new MalformedFileException(
                        PickleRule.BAD_CRC,
                        FileSpot.of(file, offset),
                        "entry %s does not match its checksum".formatted(FileSpot.quote(name)));
            }
        }
    }

    static ZipArchive read(String file, MemorySegment bytes) throws FormatException {
        return new Reader(file, bytes).archive();
    }

    private static final class Reader {
        private final String file;
        private final MemorySegment bytes;

        Reader(String file, MemorySegment bytes) {
            this.file = file;
            this.bytes = bytes;
        }

        private record Directory(long offset, long end, long entries) {}

        /** An entry as the directory has it. */
        private record Central(String name, int flags, int crc, long size, long local) {}

        ZipArchive archive() throws FormatException {
            Directory directory = directory();
            List<Central> listed = new ArrayList<>();
            long at = directory.offset();
            for (long i = 0; i < directory.entries(); i++) {
                at = central(at, directory.end(), listed);
            }
            if (at != directory.end()) {
                throw bad(at, "the directory holds more than its entries");
            }
            listed.sort(Comparator.comparingLong(Central::local));
            SequencedMap<String, Entry> entries = LinkedHashMap.newLinkedHashMap(listed.size());
            long free = 0;
            for (Central central : listed) {
                Entry entry = entry(central, free, directory.offset());
                free = entry.offset() + central.size();
                if (entries.put(entry.name(), entry) != null) {
                    throw new MalformedFileException(
                            PickleRule.DUPLICATE_ENTRY,
                            FileSpot.of(file, central.local()),
                            "a second entry %s".formatted(FileSpot.quote(entry.name())));
                }
            }
            long read = bytes.byteSize() - directory.offset() + LOCAL_BYTES * listed.size();
            return new ZipArchive(entries, read);
        }

        private Directory directory() throws FormatException {
            long end = bytes.byteSize() - END_BYTES;
            long first = Math.max(0, end - 0xffff);
            while (end >= first
                    && (bytes.get(Layouts.I32, end) != END_MARK
                            || end + END_BYTES + u16(end + 20) != bytes.byteSize())) {
                end--;
            }
            if (end < first) {
                throw bad(bytes.byteSize(), "no end of archive; the file is cut short");
            }
            long entries = u16(end + 10);
            long size = u32(end + 12);
            long offset = u32(end + 16);
            boolean oneDisk = u16(end + 4) == 0 && u16(end + 6) == 0 && u16(end + 8) == entries;
            long locator = end - LOCATOR_BYTES;
            if (locator >= 0 && bytes.get(Layouts.I32, locator) == LOCATOR_MARK) {
                end = bytes.get(Layouts.I64, locator + 8);
                if (end < 0
                        || end > locator - END64_BYTES
                        || bytes.get(Layouts.I32, end) != END64_MARK) {
                    throw bad(locator, "no zip64 end of archive where the locator points");
                }
                entries = bytes.get(Layouts.I64, end + 32);
                size = bytes.get(Layouts.I64, end + 40);
                offset = bytes.get(Layouts.I64, end + 48);
                oneDisk = u32(end + 16) == 0 && bytes.get(Layouts.I64, end + 24) == entries;
            }
            if (!oneDisk) {
                throw bad(end, "one part of a split archive");
            }
            if (offset < 0 || size < 0 || offset > end || end - offset != size) {
                throw bad(end, "the directory does not lie before its end");
            }
            if (entries < 0 || entries > MAX_ENTRIES) {
                throw new LimitExceededException(
                        PickleRule.TOO_LARGE,
                        FileSpot.of(file, end),
                        "%s entries, limit %d"
                                .formatted(Long.toUnsignedString(entries), MAX_ENTRIES));
            }
            return new Directory(offset, end, entries);
        }

        /** Reads one directory entry; returns where the next begins. */
        private long central(long at, long end, List<Central> into) throws FormatException {
            if (end - at < CENTRAL_BYTES || bytes.get(Layouts.I32, at) != CENTRAL_MARK) {
                throw bad(at, "no directory entry");
            }
            int nameBytes = u16(at + 28);
            int extraBytes = u16(at + 30);
            long next = at + CENTRAL_BYTES + nameBytes + extraBytes + u16(at + 32);
            if (next > end) {
                throw bad(at, "a directory entry runs past the directory");
            }
            String name = name(at + CENTRAL_BYTES, nameBytes);
            var extra = new Extra(at + CENTRAL_BYTES + nameBytes, extraBytes);
            long size = extra.or(u32(at + 24));
            long stored = extra.or(u32(at + 20));
            long local = extra.or(u32(at + 42));
            int flags = u16(at + 8);
            if ((flags & ENCRYPTED) != 0) {
                throw bad(at, "entry %s is encrypted".formatted(FileSpot.quote(name)));
            }
            if (u16(at + 10) != 0) {
                throw new UnsupportedFeatureException(
                        PickleRule.COMPRESSED_ENTRY,
                        FileSpot.of(file, at),
                        "entry %s is compressed".formatted(FileSpot.quote(name)),
                        "save it again with torch.save, which stores entries as they are");
            }
            if (size != stored || size < 0 || local < 0) {
                throw bad(at, "entry %s has two sizes".formatted(FileSpot.quote(name)));
            }
            checkName(at, name);
            into.add(new Central(name, flags, bytes.get(Layouts.I32, at + 16), size, local));
            return next;
        }

        /** Follows the directory to the local header, which must say the same. */
        private Entry entry(Central central, long free, long limit) throws FormatException {
            long at = central.local();
            String quoted = FileSpot.quote(central.name());
            if (at < free || limit - at < LOCAL_BYTES || bytes.get(Layouts.I32, at) != LOCAL_MARK) {
                throw bad(at, "no entry %s, or one inside another".formatted(quoted));
            }
            int nameBytes = u16(at + 26);
            int extraBytes = u16(at + 28);
            long data = at + LOCAL_BYTES + nameBytes + extraBytes;
            if (data > limit || central.size() > limit - data) {
                throw bad(at, "entry %s runs past the entries' end".formatted(quoted));
            }
            var extra = new Extra(at + LOCAL_BYTES + nameBytes, extraBytes);
            long size = extra.or(u32(at + 22));
            long stored = extra.or(u32(at + 18));
            boolean later = (u16(at + 6) & STREAMED) != 0 && size == 0 && stored == 0;
            if (!name(at + LOCAL_BYTES, nameBytes).equals(central.name())
                    || u16(at + 6) != central.flags()
                    || u16(at + 8) != 0
                    || (!later && (size != central.size() || stored != central.size()))) {
                throw bad(at, "the entry contradicts the directory's %s".formatted(quoted));
            }
            return new Entry(
                    central.name(), bytes.asSlice(data, central.size()), data, central.crc());
        }

        /** The zip64 fields of an entry, which replace 32-bit ones that are all ones. */
        private final class Extra {
            private long at;
            private long left;

            Extra(long start, long length) {
                long end = start + length;
                for (long field = start; end - field >= 4; field += 4 + u16(field + 2)) {
                    if (u16(field) == 1) {
                        at = field + 4;
                        left = Math.min(u16(field + 2), end - at);
                        return;
                    }
                }
            }

            /**
             * {@code value}, or the next 64-bit field if it stands for one; −1 if that is missing.
             */
            long or(long value) {
                if (value != IN_EXTRA) {
                    return value;
                }
                if (left < 8) {
                    return -1;
                }
                at += 8;
                left -= 8;
                return bytes.get(Layouts.I64, at - 8);
            }
        }

        private void checkName(long at, String name) throws MalformedFileException {
            boolean unsafe =
                    name.startsWith("/") || name.indexOf('\\') >= 0 || name.indexOf('\0') >= 0;
            for (String part : name.split("/", -1)) {
                unsafe |= part.equals("..") || part.equals(".");
            }
            if (unsafe) {
                throw new MalformedFileException(
                        PickleRule.UNSAFE_PATH,
                        FileSpot.of(file, at),
                        "entry name %s could leave the archive".formatted(FileSpot.quote(name)));
            }
        }

        private String name(long at, int length) throws MalformedFileException {
            try {
                return StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(bytes.asSlice(at, length).asByteBuffer())
                        .toString();
            } catch (CharacterCodingException e) {
                throw bad(at, "an entry name is not UTF-8");
            }
        }

        private int u16(long at) {
            return bytes.get(Layouts.I16, at) & 0xffff;
        }

        private long u32(long at) {
            return bytes.get(Layouts.I32, at) & IN_EXTRA;
        }

        private MalformedFileException bad(long at, String problem) {
            return new MalformedFileException(
                    PickleRule.BAD_ARCHIVE, FileSpot.of(file, at), problem);
        }
    }
}
