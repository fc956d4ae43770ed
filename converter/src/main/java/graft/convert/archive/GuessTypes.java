package graft.convert.archive;

import graft.formats.archive.ElementType;
import graft.formats.archive.Run;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Finds floats in bytes whose format is not looked at: external data of ONNX, graphs, GGUF, and
 * what lies between the large tensors of a pickled checkpoint. A wrong guess costs bytes, never
 * correctness. Looks into the middle of every 128 KiB: where floats are, exponents at the right
 * place and distance repeat far more than any byte does.
 */
final class GuessTypes {
    private static final int CHUNK_BYTES = 1 << 17;
    private static final int SAMPLE_BYTES = 1 << 12;

    /** Bits a byte that a guess must save against coding byte by byte. */
    private static final double MARGIN = 0.3;

    /** Elements that share their zero bits when they are coded. */
    private static final int GROUP = 128;

    private static final ElementType[] CANDIDATES = {
        ElementType.F32, ElementType.BF16, ElementType.F16
    };

    private GuessTypes() {}

    /** Whether any run holds floats. */
    static boolean isFloats(List<Run> runs) {
        return runs.stream().anyMatch(run -> run.type() != ElementType.BYTES);
    }

    static List<Run> runs(MemorySegment file) {
        var builder = new RunBuilder();
        long size = file.byteSize();
        long at = 0; // everything before is in runs
        byte[] sample = new byte[SAMPLE_BYTES];
        for (long chunk = 0; chunk < size; chunk += CHUNK_BYTES) {
            long end = Math.min(size, chunk + CHUNK_BYTES);
            int length = (int) Math.min(SAMPLE_BYTES, end - chunk);
            long from = chunk + (end - chunk - length) / 16 * 8; // phases are those of the chunk
            MemorySegment.copy(file, from, MemorySegment.ofArray(sample), 0, length);
            Guess guess = guess(sample, length);
            int width = guess.type().bytes();
            long start = Math.min(end, at + Math.floorMod(chunk + guess.phase() - at, width));
            builder.add(Run.of(start - at, ElementType.BYTES));
            at = start;
            long whole = (end - at) / width * width;
            builder.add(Run.of(whole, guess.type()));
            at += whole;
        }
        builder.add(Run.of(size - at, ElementType.BYTES));
        return builder.runs();
    }

    private record Guess(ElementType type, int phase) {}

    private static Guess guess(byte[] sample, int length) {
        var best = new Guess(ElementType.BYTES, 0);
        double least = bitsPerByte(sample, length, 0, 1, 0) - MARGIN;
        for (ElementType type : CANDIDATES) {
            int width = type.bytes();
            int exponentBits = type == ElementType.F16 ? 5 : 8;
            for (int phase = 0; phase < width; phase++) {
                double bits =
                        (bitsPerByte(sample, length, phase, width, exponentBits)
                                        + 8 * width
                                        - exponentBits
                                        - zeroBits(sample, length, phase, width))
                                / width;
                if (bits < least) {
                    least = bits;
                    best = new Guess(type, phase);
                }
            }
        }
        return best;
    }

    /**
     * Entropy of the bytes, or of the exponents in every {@code width} bytes from {@code phase}.
     */
    private static double bitsPerByte(
            byte[] sample, int length, int phase, int width, int exponentBits) {
        int[] counts = new int[256];
        int total = 0;
        for (int i = phase; i + width <= length; i += width) {
            int value = sample[i + width - 1] & 0xff;
            if (width > 1) {
                value = (value << 8 | sample[i + width - 2] & 0xff) << 1 & 0xffff;
                value >>>= 16 - exponentBits;
            }
            counts[value]++;
            total++;
        }
        double bits = 0;
        for (int count : counts) {
            if (count > 0) {
                bits -= count * (StrictMath.log((double) count / total) / StrictMath.log(2));
            }
        }
        return total == 0 ? Double.MAX_VALUE : bits / total;
    }

    /** Low bits that are zero in most elements: numbers that once had less precision. */
    private static double zeroBits(byte[] sample, int length, int phase, int width) {
        long sum = 0;
        int groups = 0;
        for (int i = phase; i + GROUP * width <= length; i += GROUP * width) {
            int any = 1 << (8 * width - 9);
            for (int j = i; j < i + GROUP * width; j += width) {
                for (int b = 0; b < width - 1; b++) {
                    any |= (sample[j + b] & 0xff) << (8 * b);
                }
            }
            sum += Integer.numberOfTrailingZeros(any);
            groups++;
        }
        return groups == 0 ? 0 : (double) sum / groups;
    }
}
