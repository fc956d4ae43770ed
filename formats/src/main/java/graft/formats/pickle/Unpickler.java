package graft.formats.pickle;

import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.LimitExceededException;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.Layouts;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The pickle machine, reduced to the opcodes that torch allows: it builds {@link Value}s and can do
 * nothing else. Neither recursion nor an allocation depends on a number from the file that was not
 * checked. One object reads one file; not thread-safe.
 */
final class Unpickler {
    private static final long MAX_BYTES = 64 << 20;

    /** What is pushed, some 22 a tensor: a quarter of a million tensors. */
    private static final int MAX_OBJECTS = 5_500_000;

    private static final int MAX_MARKS = 100_000;

    private static final ValueLayout.OfDouble F64_BIG =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private final FileSpot file;
    private final MemorySegment bytes;
    private final long origin;
    private final Builder builder;
    private final ArrayList<Object> stack = new ArrayList<>();
    private final ArrayList<Integer> marks = new ArrayList<>();
    private @Nullable Object[] memo = new Object[64];
    private int objects;
    private long at;
    private long opcodeAt;

    /**
     * @param bytes where the pickles lie
     * @param origin byte of the file at which {@code bytes} begins
     */
    Unpickler(String file, MemorySegment bytes, long origin) {
        this.file = FileSpot.of(file);
        this.bytes = bytes;
        this.origin = origin;
        this.builder = new Builder(this::spot);
    }

    /** Bytes read so far: where the next pickle begins. */
    long position() {
        return at;
    }

    /** The storages that were named so far, by key. */
    Map<String, Value.Storage> storages() {
        return builder.storages();
    }

    /** The object that the next pickle builds. */
    Object next() throws FormatException {
        long start = at;
        stack.clear();
        marks.clear();
        Arrays.fill(memo, null);
        while (true) {
            opcodeAt = at;
            if (at - start > MAX_BYTES) {
                throw limit(PickleRule.TOO_LARGE, "a pickle above %d bytes".formatted(MAX_BYTES));
            }
            int opcode = u8();
            if (opcode == Opcodes.STOP) {
                return pop();
            }
            step(opcode);
        }
    }

    private void step(int opcode) throws FormatException {
        switch (opcode) {
            case Opcodes.PROTO -> protocol(u8());
            case Opcodes.MARK -> mark();
            case Opcodes.NONE -> push(Value.Opaque.NONE);
            case Opcodes.NEWTRUE -> push(true);
            case Opcodes.NEWFALSE -> push(false);
            case Opcodes.BININT -> push((long) i32());
            case Opcodes.BININT1 -> push((long) u8());
            case Opcodes.BININT2 -> push((long) u16());
            case Opcodes.LONG1 -> push(integer(take(u8())));
            case Opcodes.BINFLOAT -> push(take(8).get(F64_BIG, 0));
            case Opcodes.SHORT_BINSTRING -> push(text(take(u8())));
            case Opcodes.BINUNICODE -> push(text(take(i32() & 0xffffffffL)));
            case Opcodes.EMPTY_LIST -> push(new ArrayList<>(0));
            case Opcodes.EMPTY_TUPLE -> push(new Value.Tuple(List.of()));
            case Opcodes.EMPTY_SET -> push(new Value.Opaque("a set"));
            case Opcodes.EMPTY_DICT -> push(dict(false));
            case Opcodes.TUPLE -> push(new Value.Tuple(popToMark()));
            case Opcodes.TUPLE1 -> push(new Value.Tuple(popLast(1)));
            case Opcodes.TUPLE2 -> push(new Value.Tuple(popLast(2)));
            case Opcodes.TUPLE3 -> push(new Value.Tuple(popLast(3)));
            case Opcodes.APPEND -> append(popLast(1));
            case Opcodes.APPENDS -> append(popToMark());
            case Opcodes.SETITEM -> set(popLast(2));
            case Opcodes.SETITEMS -> set(popToMark());
            case Opcodes.GLOBAL -> push(global());
            case Opcodes.NEWOBJ, Opcodes.REDUCE -> call();
            case Opcodes.BUILD -> build();
            case Opcodes.BINPERSID -> push(builder.storage(pop()));
            case Opcodes.BINGET -> get(u8());
            case Opcodes.LONG_BINGET -> get(i32() & 0xffffffffL);
            case Opcodes.BINPUT -> put(u8());
            case Opcodes.LONG_BINPUT -> put(i32() & 0xffffffffL);
            default -> throw forbidden(Opcodes.name(opcode));
        }
    }

    private void protocol(int version) throws FormatException {
        if (version < 2 || version > 3) {
            throw forbidden("protocol " + version);
        }
    }

    private UnsupportedFeatureException forbidden(String what) {
        return new UnsupportedFeatureException(
                PickleRule.FORBIDDEN_OPCODE,
                spot(),
                "pickle %s is not one that torch.save writes for weights".formatted(what),
                Builder.RESAVE);
    }

    private Value global() throws FormatException {
        String qualified = line() + "." + line();
        var found = Globals.find(qualified);
        if (found.isPresent()) {
            return found.get();
        }
        if (Globals.isQuantised(qualified)) {
            throw new UnsupportedFeatureException(
                    PickleRule.UNSUPPORTED_STORAGE,
                    spot(),
                    "quantised storage " + qualified,
                    "save the model before it is quantised");
        }
        if (qualified.equals("torch.ComplexDoubleStorage")) {
            throw builder.noType("torch.complex128");
        }
        throw new UnsupportedFeatureException(
                PickleRule.FORBIDDEN_GLOBAL,
                spot(),
                "asks for %s, which holds no weights and is never run"
                        .formatted(FileSpot.quote(qualified)),
                Builder.RESAVE);
    }

    private void call() throws FormatException {
        Object arguments = pop();
        Object function = pop();
        push(builder.call(function, arguments));
    }

    /** Torch hangs attributes such as {@code _metadata} on an OrderedDict; nothing else. */
    private void build() throws FormatException {
        pop();
        if (!(peek() instanceof Value.Dict dict) || !dict.ordered()) {
            throw bad(
                    PickleRule.FORBIDDEN_BUILD,
                    "sets the state of %s".formatted(Value.describe(peek())));
        }
    }

    private void append(List<Object> items) throws FormatException {
        if (!(peek() instanceof ArrayList<?>)) {
            throw bad(PickleRule.BAD_PICKLE, "appends to " + Value.describe(peek()));
        }
        @SuppressWarnings("unchecked") // only EMPTY_LIST makes lists
        var list = (ArrayList<Object>) peek();
        list.addAll(items);
    }

    private void set(List<Object> items) throws FormatException {
        if (!(peek() instanceof Value.Dict dict)) {
            throw bad(PickleRule.BAD_PICKLE, "sets an item of " + Value.describe(peek()));
        }
        if (items.size() % 2 != 0) {
            throw bad(PickleRule.BAD_PICKLE, "a key without a value");
        }
        for (int i = 0; i < items.size(); i += 2) {
            builder.put(dict, items.get(i), items.get(i + 1));
        }
    }

    private void put(long index) throws FormatException {
        if (index >= MAX_OBJECTS || index > at) { // an honest index is below the opcode count
            throw limit(PickleRule.MEMO_LIMIT, "memo index " + index);
        }
        if (index >= memo.length) {
            memo =
                    Arrays.copyOf(
                            memo,
                            (int) Math.min(MAX_OBJECTS, Math.max(index + 1, 2L * memo.length)));
        }
        memo[(int) index] = peek();
    }

    private void get(long index) throws FormatException {
        Object value = index < memo.length ? memo[(int) index] : null;
        if (value == null) {
            throw bad(PickleRule.BAD_PICKLE, "memo entry %d was never stored".formatted(index));
        }
        push(value);
    }

    static Value.Dict dict(boolean ordered) {
        return new Value.Dict(new LinkedHashMap<>(2), ordered);
    }

    private void push(Object value) throws FormatException {
        objects++;
        if (objects > MAX_OBJECTS) {
            throw limit(PickleRule.TOO_LARGE, "more than %d objects".formatted(MAX_OBJECTS));
        }
        stack.add(value);
    }

    private void mark() throws FormatException {
        if (marks.size() == MAX_MARKS) {
            throw limit(PickleRule.DEPTH_LIMIT, "more than %d marks".formatted(MAX_MARKS));
        }
        marks.add(stack.size());
    }

    /** Objects above the last mark are all that may be taken. */
    private void need(int count) throws FormatException {
        int floor = marks.isEmpty() ? 0 : marks.getLast();
        if (stack.size() - floor < count) {
            throw bad(PickleRule.BAD_PICKLE, "takes more from the stack than there is");
        }
    }

    private Object pop() throws FormatException {
        need(1);
        return stack.removeLast();
    }

    private Object peek() throws FormatException {
        need(1);
        return stack.getLast();
    }

    private List<Object> popLast(int count) throws FormatException {
        need(count);
        return cut(stack.size() - count);
    }

    private List<Object> popToMark() throws FormatException {
        if (marks.isEmpty()) {
            throw bad(PickleRule.BAD_PICKLE, "no mark on the stack");
        }
        return cut(marks.removeLast());
    }

    private List<Object> cut(int from) {
        var tail = stack.subList(from, stack.size());
        List<Object> items = List.copyOf(tail);
        tail.clear();
        return items;
    }

    private MemorySegment take(long length) throws FormatException {
        if (length > bytes.byteSize() - at) {
            throw bad(PickleRule.TRUNCATED_PICKLE, "the pickle ends before STOP");
        }
        at += length;
        return bytes.asSlice(at - length, length);
    }

    private int u8() throws FormatException {
        return take(1).get(ValueLayout.JAVA_BYTE, 0) & 0xff;
    }

    private int u16() throws FormatException {
        return take(2).get(Layouts.I16, 0) & 0xffff;
    }

    private int i32() throws FormatException {
        return take(4).get(Layouts.I32, 0);
    }

    private static Object integer(MemorySegment little) {
        byte[] value = little.toArray(ValueLayout.JAVA_BYTE);
        for (int i = 0, j = value.length - 1; i < j; i++, j--) {
            byte swap = value[i];
            value[i] = value[j];
            value[j] = swap;
        }
        var integer = value.length == 0 ? BigInteger.ZERO : new BigInteger(value);
        return integer.bitLength() < Long.SIZE ? (Object) integer.longValue() : integer;
    }

    private String text(MemorySegment utf8) throws FormatException {
        if (utf8.byteSize() > MAX_BYTES) {
            throw limit(PickleRule.TOO_LARGE, "a string of %d bytes".formatted(utf8.byteSize()));
        }
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(utf8.asByteBuffer()).toString();
        } catch (CharacterCodingException e) {
            throw bad(PickleRule.BAD_PICKLE, "a string is not UTF-8");
        }
    }

    /** Half of a GLOBAL: text up to the next line feed. */
    private String line() throws FormatException {
        long start = at;
        while (u8() != '\n') {
            if (at - start > 1000) {
                throw bad(PickleRule.BAD_PICKLE, "a global's name is longer than 1000 bytes");
            }
        }
        return text(bytes.asSlice(start, at - start - 1));
    }

    FileSpot spot() {
        return file.at(origin + opcodeAt);
    }

    private MalformedFileException bad(PickleRule rule, String problem) {
        return new MalformedFileException(rule, spot(), problem);
    }

    private LimitExceededException limit(PickleRule rule, String problem) {
        return new LimitExceededException(rule, spot(), problem);
    }
}
