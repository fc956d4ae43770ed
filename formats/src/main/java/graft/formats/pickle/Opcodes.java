package graft.formats.pickle;

import java.util.Map;

/** Pickle opcodes by their names in CPython's {@code pickletools}. */
final class Opcodes {
    static final int MARK = '(';
    static final int STOP = '.';
    static final int NONE = 'N';
    static final int REDUCE = 'R';
    static final int BUILD = 'b';
    static final int GLOBAL = 'c';
    static final int APPEND = 'a';
    static final int APPENDS = 'e';
    static final int SETITEM = 's';
    static final int SETITEMS = 'u';
    static final int BININT = 'J';
    static final int BININT1 = 'K';
    static final int BININT2 = 'M';
    static final int BINFLOAT = 'G';
    static final int BINUNICODE = 'X';
    static final int SHORT_BINSTRING = 'U';
    static final int BINPERSID = 'Q';
    static final int BINGET = 'h';
    static final int LONG_BINGET = 'j';
    static final int BINPUT = 'q';
    static final int LONG_BINPUT = 'r';
    static final int TUPLE = 't';
    static final int EMPTY_TUPLE = ')';
    static final int EMPTY_LIST = ']';
    static final int EMPTY_DICT = '}';
    static final int PROTO = 0x80;
    static final int NEWOBJ = 0x81;
    static final int TUPLE1 = 0x85;
    static final int TUPLE2 = 0x86;
    static final int TUPLE3 = 0x87;
    static final int NEWTRUE = 0x88;
    static final int NEWFALSE = 0x89;
    static final int LONG1 = 0x8a;
    static final int EMPTY_SET = 0x8f;

    private static final Map<Integer, String> REFUSED =
            Map.ofEntries(
                    Map.entry((int) 'i', "INST"),
                    Map.entry((int) 'o', "OBJ"),
                    Map.entry((int) 'P', "PERSID"),
                    Map.entry((int) 'F', "FLOAT"),
                    Map.entry((int) 'I', "INT"),
                    Map.entry((int) 'L', "LONG"),
                    Map.entry((int) 'S', "STRING"),
                    Map.entry((int) 'T', "BINSTRING"),
                    Map.entry((int) 'V', "UNICODE"),
                    Map.entry((int) 'B', "BINBYTES"),
                    Map.entry((int) 'C', "SHORT_BINBYTES"),
                    Map.entry((int) 'd', "DICT"),
                    Map.entry((int) 'l', "LIST"),
                    Map.entry((int) 'g', "GET"),
                    Map.entry((int) 'p', "PUT"),
                    Map.entry((int) '0', "POP"),
                    Map.entry((int) '1', "POP_MARK"),
                    Map.entry((int) '2', "DUP"),
                    Map.entry(0x82, "EXT1"),
                    Map.entry(0x83, "EXT2"),
                    Map.entry(0x84, "EXT4"),
                    Map.entry(0x8b, "LONG4"),
                    Map.entry(0x8c, "SHORT_BINUNICODE"),
                    Map.entry(0x8d, "BINUNICODE8"),
                    Map.entry(0x8e, "BINBYTES8"),
                    Map.entry(0x90, "ADDITEMS"),
                    Map.entry(0x91, "FROZENSET"),
                    Map.entry(0x92, "NEWOBJ_EX"),
                    Map.entry(0x93, "STACK_GLOBAL"),
                    Map.entry(0x94, "MEMOIZE"),
                    Map.entry(0x95, "FRAME"));

    private Opcodes() {}

    /** Name and number of an opcode that is refused. */
    static String name(int opcode) {
        return "opcode %s (0x%02x)".formatted(REFUSED.getOrDefault(opcode, "unknown"), opcode);
    }
}
