package graft.formats.safetensors;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.io.Layouts;
import graft.formats.io.LfsPointer;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * What the header of one file says, checked against the size of the file.
 *
 * @param dataStart byte of the file at which offset 0 lies
 * @param tensors in the order of their bytes
 * @param metadata {@code __metadata__}, in the order of the file
 * @param warnings what was accepted but should not be there
 */
record SafetensorsHeader(
        long dataStart, List<Entry> tensors, Map<String, String> metadata, List<String> warnings) {
    /** Longest header that any reader accepts (safetensors {@code MAX_HEADER_SIZE}). */
    static final long MAX_BYTES = 100_000_000;

    static final int PREFIX_BYTES = 8;

    /** One tensor and its bytes, {@code begin} to {@code end}, counted from {@code dataStart}. */
    record Entry(TensorInfo info, long begin, long end) {}

    /**
     * Reads and checks the header of {@code file}; no byte of tensor data is touched.
     *
     * @param name what errors call the file
     */
    static SafetensorsHeader read(String name, MemorySegment file) throws IOException {
        long length = jsonBytes(name, file);
        long dataStart = PREFIX_BYTES + length;
        long dataBytes = file.byteSize() - dataStart;
        var parsed = HeaderParser.parse(name, file.asSlice(PREFIX_BYTES, length), dataBytes);
        List<Entry> sorted = parsed.entries().stream().sorted(SafetensorsHeader::byPlace).toList();
        checkCoverage(name, dataStart, dataBytes, sorted, parsed.isComplete());
        return new SafetensorsHeader(dataStart, sorted, parsed.metadata(), parsed.warnings());
    }

    /**
     * A comparator of the JDK's making would not be in the launcher's cache, being serializable.
     */
    private static int byPlace(Entry one, Entry other) {
        int begins = Long.compare(one.begin(), other.begin());
        return begins != 0 ? begins : Long.compare(one.end(), other.end());
    }

    private static long jsonBytes(String name, MemorySegment file) throws IOException {
        if (file.byteSize() < PREFIX_BYTES) {
            throw new MalformedFileException(
                    SafetensorsRule.HEADER_TOO_SMALL,
                    FileSpot.of(name, 0),
                    "%d bytes, shorter than the 8-byte header length".formatted(file.byteSize()));
        }
        long length = file.get(Layouts.I64, 0); // u64: above Long.MAX_VALUE it reads negative
        if (length < 0 || length > MAX_BYTES) {
            throw tooLarge(FileSpot.of(name, 0), file, length);
        }
        if (length > file.byteSize() - PREFIX_BYTES) {
            throw new MalformedFileException(
                    SafetensorsRule.HEADER_LENGTH,
                    FileSpot.of(name, PREFIX_BYTES),
                    "header of %d bytes runs past the end (%d); the file is cut short"
                            .formatted(length, file.byteSize()));
        }
        return length;
    }

    /** Text in place of the length of a header says a lot; a reader of it wants to know what. */
    private static FormatException tooLarge(FileSpot spot, MemorySegment file, long length) {
        if (LfsPointer.isAt(file)) {
            return new MalformedFileException(
                    SafetensorsRule.LFS_POINTER, spot, LfsPointer.PROBLEM, LfsPointer.HELP);
        }
        byte[] start = file.asSlice(0, PREFIX_BYTES).toArray(ValueLayout.JAVA_BYTE);
        String text = new String(start, StandardCharsets.ISO_8859_1);
        if (text.chars()
                .allMatch(c -> c >= ' ' && c <= '~' || c == '\n' || c == '\r' || c == '\t')) {
            return new MalformedFileException(
                    SafetensorsRule.HEADER_TOO_LARGE,
                    spot,
                    "begins with the text %s, and not with the length of a safetensors header"
                            .formatted(FileSpot.quote(text)));
        }
        return new LimitExceededException(
                SafetensorsRule.HEADER_TOO_LARGE,
                spot,
                "header of %s bytes, limit %d".formatted(Long.toUnsignedString(length), MAX_BYTES));
    }

    /**
     * Every byte of data belongs to exactly one tensor.
     *
     * @param isComplete false if more tensors follow: these alone claim more than there is, so that
     *     two overlap or one reaches past the end, while holes mean nothing
     */
    private static void checkCoverage(
            String name, long dataStart, long dataBytes, List<Entry> sorted, boolean isComplete)
            throws IOException {
        long end = 0;
        String previous = "the header";
        for (Entry entry : sorted) {
            if (entry.begin() < end || (isComplete && entry.begin() > end)) {
                throw new MalformedFileException(
                        SafetensorsRule.BAD_OFFSET,
                        FileSpot.of(name, dataStart + entry.begin()).tensor(entry.info().name()),
                        entry.begin() < end
                                ? "overlaps " + previous
                                : "leaves %d bytes after %s to no tensor"
                                        .formatted(entry.begin() - end, previous));
            }
            end = entry.end();
            previous = FileSpot.quote(entry.info().name());
        }
        if (end > dataBytes) {
            throw new MalformedFileException(
                    SafetensorsRule.TRUNCATED_DATA,
                    FileSpot.of(name, dataStart + dataBytes),
                    "tensors need %d bytes of data, the file has %d; it is cut short"
                            .formatted(end, dataBytes));
        }
        if (end < dataBytes) {
            throw new MalformedFileException(
                    SafetensorsRule.TRAILING_DATA,
                    FileSpot.of(name, dataStart + end),
                    "%d bytes after the last tensor".formatted(dataBytes - end));
        }
    }
}
