package graft.formats.archive;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Numbers in byte arrays at any offset. An index outside the array throws. */
final class LittleEndian {
    private static final VarHandle I16 =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle I32 =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle I64 =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private LittleEndian() {}

    static int getU16(byte[] from, int at) {
        return (short) I16.get(from, at) & 0xffff;
    }

    static int getI32(byte[] from, int at) {
        return (int) I32.get(from, at);
    }

    static long getI64(byte[] from, int at) {
        return (long) I64.get(from, at);
    }

    static void putI16(byte[] into, int at, int value) {
        I16.set(into, at, (short) value);
    }

    static void putI32(byte[] into, int at, int value) {
        I32.set(into, at, value);
    }

    static void putI64(byte[] into, int at, long value) {
        I64.set(into, at, value);
    }
}
