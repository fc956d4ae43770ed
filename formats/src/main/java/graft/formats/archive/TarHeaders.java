package graft.formats.archive;

import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;

/**
 * The bytes in front of a member's data: a ustar header, before it a pax header where the name or
 * the size needs one. Times, owners and modes are always the same.
 */
final class TarHeaders {
    static final int RECORD = 512;

    private static final int PLAIN_FILE_MODE = 0100644;

    private TarHeaders() {}

    static byte[] of(String name, long size) throws IOException {
        return of(name, size, 0);
    }

    /**
     * A header for a member of {@code size} bytes that takes exactly {@code length} bytes, so that
     * it fits where room was kept for one of a larger member.
     */
    static byte[] ofLength(String name, long size, int length) throws IOException {
        byte[] header = of(name, size);
        for (int padding = 1; header.length < length; padding += RECORD / 2) {
            header = of(name, size, padding);
        }
        if (header.length != length) {
            throw new IllegalStateException("no header of %d bytes".formatted(length));
        }
        return header;
    }

    private static byte[] of(String name, long size, int padding) throws IOException {
        var bytes = new ByteArrayOutputStream();
        var tar = new TarArchiveOutputStream(bytes, RECORD, StandardCharsets.UTF_8.name());
        tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
        tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
        tar.setAddPaxHeadersForNonAsciiNames(true);
        var entry = new TarArchiveEntry(name);
        entry.setSize(size);
        entry.setMode(PLAIN_FILE_MODE);
        entry.setLastModifiedTime(FileTime.fromMillis(0));
        entry.setIds(0, 0);
        entry.setNames("", "");
        if (padding > 0) {
            entry.addPaxHeader("comment", " ".repeat(padding));
        }
        tar.putArchiveEntry(entry);
        tar.flush(); // not closed: it would miss the member's data
        byte[] header = bytes.toByteArray();
        return Arrays.copyOf(header, (header.length + RECORD - 1) / RECORD * RECORD);
    }

    /** Zeros that fill a member's last record. */
    static int padding(long size) {
        return (int) (-size & RECORD - 1);
    }
}
