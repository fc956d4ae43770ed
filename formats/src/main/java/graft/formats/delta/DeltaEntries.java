package graft.formats.delta;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.io.Layouts;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A cursor over the kept positions of one tensor, ascending. Every step is checked: positions stay
 * in the tensor, there are exactly as many as the directory says, and no byte is left over. Not
 * thread-safe; open one per thread.
 */
public final class DeltaEntries {

    private final FileSpot spot;
    private final SparseTensor tensor;
    private final IndexDecoder index;
    private final MemorySegment values;
    private final @Nullable IntegerDecoder integers;
    private final CounterRandom random;
    private final @Nullable DrawnPositions drawn;
    private final long elements;
    private final long rowLength;
    private final long signs; // byte of the values at which sign bits begin
    private long seen;
    private long position = -1;
    private int integer;

    /**
     * @param spot file, tensor, and byte at which the tensor's part of the blob begins
     */
    DeltaEntries(FileSpot spot, SparseTensor tensor, MemorySegment bytes, long seed) {
        this.spot = spot;
        this.tensor = tensor;
        this.index = new IndexDecoder(spot, tensor, bytes.asSlice(0, tensor.indexBytes()));
        this.values = bytes.asSlice(tensor.indexBytes(), tensor.valueBytes());
        this.random = new CounterRandom(tensor.info().name(), seed);
        this.drawn =
                tensor.index() == IndexCodec.DRAWN
                        ? new DrawnPositions(tensor.info().name(), seed, tensor.parameter())
                        : null;
        this.integers =
                tensor.values().isCoded()
                        ? new IntegerDecoder(values, tensor.values() == ValueCodec.DITHER)
                        : null;
        this.elements = tensor.info().shape().elements();
        long rows = SparseTensor.rows(tensor.info().shape());
        this.rowLength = rows == 0 ? 1 : elements / rows;
        this.signs = tensor.values() == ValueCodec.SIGN_ROW ? 2 * rows : 0;
    }

    /**
     * Moves to the next position.
     *
     * @return false after the last one
     * @throws MalformedFileException if the coded positions break a rule
     */
    public boolean next() throws MalformedFileException {
        if (seen == tensor.count()) {
            checkEnd();
            return false;
        }
        if (drawn != null) {
            position = drawn.next(position, elements);
            if (position == elements) {
                throw problem("fewer than the %d kept".formatted(tensor.count()));
            }
            integer = integers == null ? 0 : integers.next(random.at(position));
        } else if (integers == null) {
            position = index.next(position);
        } else {
            do {
                if (++position == elements) {
                    throw problem("fewer than the %d kept".formatted(tensor.count()));
                }
                integer = integers.next(random.at(position));
            } while (integer == 0 && tensor.values() == ValueCodec.STEPS);
        }
        seen++;
        return true;
    }

    /**
     * Moves over the next entries, up to {@code most}: to where {@link #next()} would come one by
     * one.
     *
     * @param positions gets the {@link #index} of each
     * @param into gets the {@link #value} of each
     * @return how many they are; 0 after the last one
     * @throws MalformedFileException if the coded positions break a rule
     */
    public int next(int most, long[] positions, float[] into) throws MalformedFileException {
        int count = (int) Math.min(most, tensor.count() - seen);
        if (count == 0 || drawn != null || integers != null) {
            return oneByOne(most, positions, into);
        }
        index.next(position, positions, count);
        position = positions[count - 1];
        switch (tensor.values()) {
            case EXACT -> Elements.widen(tensor.info().dtype(), values, seen, into, 0, count);
            case F16 -> Elements.widen(DType.F16, values, seen, into, 0, count);
            case BF16 -> Elements.widen(DType.BF16, values, seen, into, 0, count);
            case SIGN -> signed(seen, tensor.scale(), into, count);
            case SIGN_ROW, INT4, STEPS, DITHER -> {
                for (int j = 0; j < count; j++) {
                    into[j] = value(seen + j, positions[j]);
                }
            }
        }
        seen += count;
        return count;
    }

    private int oneByOne(int most, long[] positions, float[] into) throws MalformedFileException {
        int count = 0;
        while (count < most && next()) {
            positions[count] = position;
            into[count++] = value();
        }
        return count;
    }

    private void checkEnd() throws MalformedFileException {
        if (drawn != null && drawn.next(position, elements) != elements) {
            throw problem("more than the %d kept".formatted(tensor.count()));
        }
        if (integers == null || tensor.count() == 0) {
            index.checkEnd();
            if (tensor.count() == 0 && tensor.valueBytes() > 0) {
                throw problem("values of nothing");
            }
            return;
        }
        while (tensor.values() == ValueCodec.STEPS && position + 1 < elements) {
            position++;
            if (integers.next(random.at(position)) != 0) {
                throw problem("more than the %d kept".formatted(tensor.count()));
            }
        }
        if (integers.left() > 0) {
            throw problem("%d bytes of values left over".formatted(integers.left()));
        }
    }

    /** Flat row-major index of the current entry. */
    public long index() {
        return position;
    }

    /** Its value: absolute for exact values, the difference to add for all others. */
    public float value() {
        return value(seen - 1, position);
    }

    private float value(long ordinal, long at) {
        return switch (tensor.values()) {
            case EXACT -> stored(tensor.info().dtype(), ordinal);
            case F16 -> stored(DType.F16, ordinal);
            case BF16 -> stored(DType.BF16, ordinal);
            case INT4 -> int4(ordinal);
            case SIGN -> signed(ordinal, tensor.scale());
            case SIGN_ROW -> signed(ordinal, stored(DType.BF16, at / rowLength));
            case STEPS -> (float) (integer * (double) tensor.scale());
            case DITHER -> (float) ((integer - random.at(at) + 0.5) * tensor.scale());
        };
    }

    private float stored(DType type, long ordinal) {
        return Elements.get(type, values, ordinal);
    }

    private float signed(long ordinal, float scale) {
        int sign = values.get(ValueLayout.JAVA_BYTE, signs + (ordinal >> 3)) >> (ordinal & 7);
        return negatedIf(sign, scale);
    }

    private void signed(long first, float scale, float[] into, int count) {
        for (int j = 0; j < count; j++) {
            into[j] = signed(first + j, scale);
        }
    }

    /** By the lowest bit of {@code sign}; a branch would be mispredicted every other time. */
    private static float negatedIf(int sign, float magnitude) {
        return Float.intBitsToFloat(Float.floatToRawIntBits(magnitude) ^ sign << 31);
    }

    private float int4(long ordinal) {
        long group = ordinal / ValueCodec.INT4_GROUP;
        long header = group * (ValueCodec.INT4_HEADER_BYTES + ValueCodec.INT4_GROUP / 2);
        long within = ordinal % ValueCodec.INT4_GROUP;
        int pair =
                values.get(
                        ValueLayout.JAVA_BYTE,
                        header + ValueCodec.INT4_HEADER_BYTES + (within >> 1));
        int nibble = pair >> 4 * (within & 1) & 0xf;
        float magnitude =
                (float)
                        ((double) values.get(Layouts.F32, header)
                                + (nibble & 7) * (double) values.get(Layouts.F32, header + 4));
        return negatedIf(nibble >> 3, magnitude);
    }

    /**
     * What the model has at the current position: the exact value, or base plus difference rounded
     * once to the model's type. As float32, which holds either.
     */
    public float absolute(float base) {
        if (tensor.values() == ValueCodec.EXACT) {
            return value();
        }
        DType type = tensor.info().dtype();
        return Elements.round(type, base + value());
    }

    /**
     * Turns the values of some entries, as {@link #next(int, long[], float[])} gives them, into
     * what the model has there, as {@link #absolute(float)} does.
     *
     * @param base what the base has at each
     */
    public void absolute(float[] base, float[] some, int count) {
        if (tensor.values() == ValueCodec.EXACT) {
            return;
        }
        for (int j = 0; j < count; j++) {
            some[j] += base[j];
        }
        Elements.round(tensor.info().dtype(), some, count);
    }

    private MalformedFileException problem(String problem) {
        return new MalformedFileException(spot, problem);
    }
}
