package graft.formats.delta;

import graft.formats.io.FileWrites;
import graft.formats.io.Layouts;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Writes positions and values of one tensor into a file of its own, a <i>part</i>, from which
 * {@link DeltaWriter} puts the delta together: sizes of coded values are known only afterwards, and
 * a killed run goes on with the parts it has. Takes entries in ascending order. Not thread-safe.
 */
public final class SparseTensorWriter implements AutoCloseable {
    private static final int BUFFER_BYTES = 1 << 16;

    private final SparseTensor plan;
    private final FileChannel channel;
    private final Region indexOut;
    private final Region valueOut;
    private final IndexEncoder index;
    private final BitOutput signs;
    private final IntegerEncoder integers;
    private final float[] group = new float[ValueCodec.INT4_GROUP];
    private int grouped;
    private long count;

    private SparseTensorWriter(SparseTensor plan, FileChannel channel) {
        this.plan = plan;
        this.channel = channel;
        this.indexOut = new Region(0);
        this.valueOut = new Region(plan.indexBytes());
        this.index = new IndexEncoder(plan, indexOut);
        this.signs = new BitOutput(valueOut);
        this.integers = new IntegerEncoder(valueOut, plan.values() == ValueCodec.DITHER);
    }

    /**
     * @param part must not exist
     * @param plan sizes by {@link IndexSizes}; for coded values their bytes are not looked at
     */
    public static SparseTensorWriter create(Path part, SparseTensor plan) throws IOException {
        var channel =
                FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        return new SparseTensorWriter(plan, channel);
    }

    /** The scale of the next row, before any entry, for {@link ValueCodec#SIGN_ROW}. */
    public void addRowScale(float scale) throws IOException {
        store(DType.BF16, scale);
    }

    /**
     * The next entry, for values that are not coded.
     *
     * @param value the model's own value for exact ones, for signs anything with the sign of the
     *     difference, for all others the difference
     */
    public void add(long position, float value) throws IOException {
        index.add(position);
        count++;
        switch (plan.values()) {
            case EXACT -> store(plan.info().dtype(), value);
            case F16 -> store(DType.F16, value);
            case BF16 -> store(DType.BF16, value);
            case SIGN, SIGN_ROW -> signs.write(value < 0 ? 1 : 0);
            case INT4 -> {
                group[grouped++] = value;
                if (grouped == group.length) {
                    flushGroup();
                }
            }
            case STEPS, DITHER -> throw new IllegalStateException(plan.values().word());
        }
    }

    /**
     * The next entries, as {@link #add(long, float)} takes one.
     *
     * @param some how many of {@code positions} and {@code values}
     */
    public void add(int[] positions, float[] values, int some) throws IOException {
        if (plan.values() == ValueCodec.INT4 || plan.values().isCoded()) {
            for (int j = 0; j < some; j++) {
                add(positions[j], values[j]);
            }
            return;
        }
        index.add(positions, some);
        count += some;
        switch (plan.values()) {
            case EXACT -> store(plan.info().dtype(), values, some);
            case F16 -> store(DType.F16, values, some);
            case BF16 -> store(DType.BF16, values, some);
            case SIGN, SIGN_ROW -> signs.writeSigns(values, some);
            case INT4, STEPS, DITHER -> throw new IllegalStateException(plan.values().word());
        }
    }

    private void store(DType type, float[] values, int some) throws IOException {
        int most = BUFFER_BYTES / Long.BYTES;
        byte[] bytes = new byte[Math.min(most, some) * type.bytes()];
        for (int done = 0; done < some; done += most) {
            int length = Math.min(most, some - done);
            Elements.narrow(type, values, done, MemorySegment.ofArray(bytes), 0, length);
            valueOut.write(bytes, 0, length * type.bytes());
        }
    }

    /**
     * The integer of the next position, for coded values: of every position in turn.
     *
     * @param r of {@link CounterRandom} by which it was rounded
     */
    public void addInteger(int value, double r) throws IOException {
        integers.add(value, r);
        count += value != 0 || plan.values() == ValueCodec.DITHER ? 1 : 0;
    }

    private void store(DType type, float stored) throws IOException {
        valueOut.write(Elements.bits(type, stored), type.bytes());
    }

    private void flushGroup() throws IOException {
        if (grouped == 0) {
            return;
        }
        float low = Float.MAX_VALUE;
        float high = 0;
        for (int i = 0; i < grouped; i++) {
            low = Math.min(low, Math.abs(group[i]));
            high = Math.max(high, Math.abs(group[i]));
        }
        float step = (high - low) / ValueCodec.INT4_LEVELS;
        store(DType.F32, low);
        store(DType.F32, step);
        for (int i = 0; i < grouped; i += 2) {
            int high4 = i + 1 < grouped ? nibble(group[i + 1], low, step) : 0;
            valueOut.write(high4 << 4 | nibble(group[i], low, step));
        }
        grouped = 0;
    }

    private static int nibble(float value, float low, float step) {
        double level = step == 0 ? 0 : ((double) Math.abs(value) - low) / step;
        int magnitude = Math.clamp((long) Math.rint(level), 0, ValueCodec.INT4_LEVELS);
        return magnitude | (value < 0 ? 8 : 0);
    }

    /**
     * Ends the part.
     *
     * @return the plan with the bytes of coded values, and their count
     * @throws IllegalStateException if the entries are not those that were planned
     */
    public SparseTensor finish() throws IOException {
        index.finish();
        boolean coded = plan.values().isCoded();
        if (coded && count > 0) {
            integers.finish();
        } else if (!coded) {
            flushGroup();
            signs.finish();
        }
        indexOut.flush();
        valueOut.flush();
        channel.close();
        if (coded) {
            return count == 0
                    ? SparseTensor.empty(plan.info(), plan.values())
                    : new SparseTensor(
                            plan.info(),
                            count,
                            plan.index(),
                            plan.parameter(),
                            0,
                            plan.values(),
                            valueOut.at,
                            plan.scale());
        }
        if (count != plan.count()
                || indexOut.at != plan.indexBytes()
                || valueOut.at - plan.indexBytes() != plan.valueBytes()) {
            throw new IllegalStateException(
                    "%s: not the entries that were planned".formatted(plan.info().name()));
        }
        return plan;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    /** From a byte of the part on; a buffer without the lock that the JDK's takes per byte. */
    private final class Region extends OutputStream {
        private final byte[] buffer = new byte[BUFFER_BYTES + Long.BYTES];
        private final MemorySegment words = MemorySegment.ofArray(buffer);
        private int held;
        private long at; // of the byte after those that are flushed

        Region(long start) {
            this.at = start;
        }

        @Override
        public void write(int value) throws IOException {
            if (held >= BUFFER_BYTES) {
                flush();
            }
            buffer[held++] = (byte) value;
        }

        /** The low {@code length} bytes of {@code bits}. */
        void write(long bits, int length) throws IOException {
            if (held >= BUFFER_BYTES) {
                flush();
            }
            words.set(Layouts.I64, held, bits);
            held += length;
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            for (int done = 0; done < length; ) {
                if (held >= BUFFER_BYTES) {
                    flush();
                }
                int some = Math.min(length - done, BUFFER_BYTES - held);
                System.arraycopy(bytes, offset + done, buffer, held, some);
                held += some;
                done += some;
            }
        }

        @Override
        public void flush() throws IOException {
            FileWrites.fully(channel, ByteBuffer.wrap(buffer, 0, held), at);
            at += held;
            held = 0;
        }
    }
}
