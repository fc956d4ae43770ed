package graft.formats.archive;

/**
 * Elements of a block in groups of 128, as bits in ints. The last group may be shorter. What small
 * groups have in common, their magnitude and their precision, is written once per group.
 */
final class FloatSegment {
    static final int SIZE = 128;

    private FloatSegment() {}

    static int segments(int elements) {
        return (elements + SIZE - 1) / SIZE;
    }

    static int count(int segment, int elements) {
        return Math.min(SIZE, elements - segment * SIZE);
    }

    static void load(byte[] from, int width, int segment, int count, int[] into) {
        int at = segment * SIZE * width;
        switch (width) {
            case 1 -> {
                for (int i = 0; i < count; i++) {
                    into[i] = from[at + i] & 0xff;
                }
            }
            case 2 -> {
                for (int i = 0; i < count; i++) {
                    into[i] = LittleEndian.getU16(from, at + 2 * i);
                }
            }
            default -> {
                for (int i = 0; i < count; i++) {
                    into[i] = LittleEndian.getI32(from, at + 4 * i);
                }
            }
        }
    }

    static void store(int[] from, int width, int segment, int count, byte[] into) {
        int at = segment * SIZE * width;
        switch (width) {
            case 1 -> {
                for (int i = 0; i < count; i++) {
                    into[at + i] = (byte) from[i];
                }
            }
            case 2 -> {
                for (int i = 0; i < count; i++) {
                    LittleEndian.putI16(into, at + 2 * i, from[i]);
                }
            }
            default -> {
                for (int i = 0; i < count; i++) {
                    LittleEndian.putI32(into, at + 4 * i, from[i]);
                }
            }
        }
    }
}
