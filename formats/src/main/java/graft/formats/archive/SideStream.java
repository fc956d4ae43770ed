package graft.formats.archive;

/**
 * A few small numbers of a block, one per segment, under one distribution. In the header: how many
 * symbols, their frequencies, the bytes of the stream; all equal to 0 is one symbol and no stream.
 */
final class SideStream {
    private final byte[] buffer;
    private final byte[] none;
    private int begin;

    /**
     * @param most numbers in one stream
     */
    SideStream(int most) {
        buffer = new byte[Rans.bound(most)];
        none = new byte[most];
    }

    /** Codes the numbers and writes their header; {@link #append} must follow. */
    void prepare(byte[] numbers, int count, BitWriter header) {
        int largest = 0;
        int[] counts = new int[256];
        for (int i = 0; i < count; i++) {
            counts[numbers[i] & 0xff]++;
            largest = Math.max(largest, numbers[i] & 0xff);
        }
        header.put(largest, 8);
        begin = buffer.length;
        if (largest > 0) {
            SymbolModel model = SymbolModel.of(counts, 1, largest + 1);
            model.write(header);
            begin = Rans.encode(numbers, none, count, model, buffer);
            header.put(buffer.length - begin, 32);
        }
    }

    /** Copies the stream of the last {@link #prepare}; where it ends. */
    int append(byte[] out, int at) {
        int bytes = buffer.length - begin;
        System.arraycopy(buffer, begin, out, at, bytes);
        return at + bytes;
    }

    /** What a header says of a stream. */
    record Header(int largest, int[] slots, int bytes) {
        static Header read(BitReader in) throws CorruptBlockException {
            int largest = (int) in.get(8);
            if (largest == 0) {
                return new Header(0, new int[0], 0);
            }
            SymbolModel model = SymbolModel.read(in, 1, largest + 1);
            int[] slots = new int[Rans.TOTAL];
            model.slots(slots);
            int bytes = (int) in.get(32);
            if (bytes < 0) {
                throw new CorruptBlockException("a part of more than 2 GiB");
            }
            return new Header(largest, slots, bytes);
        }
    }

    /** Reads the numbers; where their stream ends. */
    int read(Header header, byte[] in, int at, int end, byte[] numbers, int count)
            throws CorruptBlockException {
        if (header.largest() == 0) {
            java.util.Arrays.fill(numbers, 0, count, (byte) 0);
            return at;
        }
        if (header.bytes() > end - at) {
            throw new CorruptBlockException("a part runs past the end");
        }
        Rans.decode(in, at, at + header.bytes(), header.slots(), none, numbers, count);
        return at + header.bytes();
    }
}
