package graft.formats;

import org.jspecify.annotations.Nullable;

import java.nio.file.Path;

/**
 * A place in a file, for an error to point at.
 *
 * @param file name as the user knows it, usually the path he gave
 * @param tensor tensor concerned, or null
 * @param offset byte offset from the start of the file, or {@link #UNKNOWN}
 */
public record FileSpot(String file, @Nullable String tensor, long offset) {
    /** The offset of a spot that has none. */
    public static final long UNKNOWN = -1;

    private static final int LONGEST_NAME = 200;

    /** The file as a whole. */
    public static FileSpot of(Path file) {
        return new FileSpot(file.toString(), null, UNKNOWN);
    }

    /** The file as a whole. */
    public static FileSpot of(String file) {
        return new FileSpot(file, null, UNKNOWN);
    }

    /** A byte of the file. */
    public static FileSpot of(String file, long offset) {
        return new FileSpot(file, null, offset);
    }

    /** The same file and byte, within {@code tensor}. */
    public FileSpot tensor(String tensor) {
        return new FileSpot(file, tensor, offset);
    }

    /** The same file and tensor, at {@code offset}. */
    public FileSpot at(long offset) {
        return new FileSpot(file, tensor, offset);
    }

    /**
     * {@code file: tensor 'name' at byte 17}, as far as known; hostile names are cut and escaped.
     */
    @Override
    public String toString() {
        var text = new StringBuilder(file);
        if (tensor != null) {
            text.append(": tensor ").append(quote(tensor));
        }
        if (offset >= 0) {
            text.append(tensor == null ? ": byte " : " at byte ").append(offset);
        }
        return text.toString();
    }

    /**
     * A string from a file in single quotes, control characters escaped, at most 200 characters of
     * it.
     */
    public static String quote(String fromFile) {
        var text = new StringBuilder("'");
        for (int i = 0; i < fromFile.length(); i++) {
            if (text.length() > LONGEST_NAME) {
                return text.append("…'").toString();
            }
            char c = fromFile.charAt(i);
            if (Character.isISOControl(c)
                    || Character.getType(c) == Character.FORMAT
                    || c == '\'') {
                text.append("\\u%04x".formatted((int) c));
            } else {
                text.append(c);
            }
        }
        return text.append('\'').toString();
    }
}
