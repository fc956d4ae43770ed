package graft.formats;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/** Files that would cost a careless reader much: made here, since they are large. */
final class HostileInputs {
    private static final int HEADER_BYTES = 20_000_000;
    private static final int PICKLE_BYTES = 1_000_000;

    private final Path folder;

    HostileInputs(Path folder) {
        this.folder = folder;
    }

    /** {@code count} tensors of {@code bytes} bytes; {@code step} apart. */
    Path tensors(String name, int count, int bytes, int step) throws IOException {
        var header = new StringBuilder("{");
        for (int i = 0; i < count; i++) {
            header.append(i == 0 ? "\"" : ",\"")
                    .append(i)
                    .append("\":{\"dtype\":\"U8\",\"shape\":[")
                    .append(bytes)
                    .append("],\"data_offsets\":[")
                    .append((long) i * step)
                    .append(',')
                    .append((long) i * step + bytes)
                    .append("]}");
        }
        byte[] json = header.append('}').toString().getBytes(StandardCharsets.US_ASCII);
        return safetensors(name, json, (long) (count - 1) * step + bytes);
    }

    /** A long header: {@code start}, {@code filling} as often as needed, {@code end}. */
    Path filledHeader(String name, String start, char filling, String end) throws IOException {
        byte[] json = new byte[HEADER_BYTES];
        Arrays.fill(json, (byte) filling);
        byte[] first = start.getBytes(StandardCharsets.US_ASCII);
        byte[] last = end.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(first, 0, json, 0, first.length);
        System.arraycopy(last, 0, json, json.length - last.length, last.length);
        return safetensors(name, json, 0);
    }

    /** Announces a header of {@code headerBytes} in a file that is as long, all of it a hole. */
    Path announcedHeader(String name, long headerBytes) throws IOException {
        Path file = folder.resolve(name + ".safetensors");
        try (var channel =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            var length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            channel.write(length.putLong(headerBytes).flip());
            channel.write(ByteBuffer.allocate(1), headerBytes + 8);
        }
        return file;
    }

    private Path safetensors(String name, byte[] json, long dataBytes) throws IOException {
        Path file = folder.resolve(name + ".safetensors");
        try (OutputStream out = Files.newOutputStream(file)) {
            out.write(
                    ByteBuffer.allocate(8)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(json.length)
                            .array());
            out.write(json);
            out.write(new byte[Math.toIntExact(dataBytes)]);
        }
        return file;
    }

    /** An old-style torch file whose object is a pickle of a megabyte. */
    Path pickle(String name, String start, String filling, String end) throws IOException {
        var object = new ByteArrayOutputStream();
        object.writeBytes(latin1(start));
        while (object.size() < PICKLE_BYTES) {
            object.writeBytes(latin1(filling));
        }
        object.writeBytes(latin1(end));
        Path file = folder.resolve(name + ".pt");
        try (OutputStream out = Files.newOutputStream(file)) {
            out.write(latin1("\u0080\u0002\u008a\nl\u00fc\u009cF\u00f9 j\u00a8P\u0019."));
            out.write(latin1("\u0080\u0002M\u00e9\u0003."));
            out.write(latin1("\u0080\u0002}."));
            out.write(object.toByteArray());
            out.write(latin1("\u0080\u0002]."));
        }
        return file;
    }

    private static byte[] latin1(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
