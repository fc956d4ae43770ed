package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.Arrays;
import java.util.PriorityQueue;
import java.util.Random;

class HuffmanCodeTest {
    /** Lengths around what is coded at once, codes from one symbol to the longest words. */
    @ParameterizedTest(name = "{0} values of {1}, p {2}, seed {3}")
    @CsvSource({
        "1,1,0.5,1",
        "2,2,0.5,2",
        "15,3,0.5,3",
        "16,256,0.9,4",
        "17,256,0.99,5",
        "100000,256,0.3,6",
        "100003,256,0.97,7",
        "4096,1,0.5,8"
    })
    void valuesComeBack(int count, int symbols, double p, long seed) throws CorruptBlockException {
        var random = new Random(seed);
        int[] values = new int[symbols];
        for (int i = 0; i < symbols; i++) {
            values[i] = i * 1023 / Math.max(1, symbols - 1);
        }
        byte[] data = new byte[2 * count];
        int[] counts = new int[256];
        for (int i = 0; i < count; i++) {
            int symbol = 0;
            while (symbol < symbols - 1 && random.nextDouble() < p) {
                symbol++;
            }
            counts[symbol]++;
            LittleEndian.putI16(data, 2 * i, values[symbol]);
        }
        byte[] sizes = written(counts, symbols);
        long[] words = new long[1024];
        HuffmanCode.words(sizes, 0, symbols, values, words);
        var streams = new HuffmanStreams(count);
        streams.begin();
        int first = count / 3 / HuffmanStreams.STREAMS * HuffmanStreams.STREAMS;
        streams.encode(data, 0, first, words);
        streams.encode(data, first, count, words);
        byte[] out = new byte[2 * count + 64];
        int end = streams.append(out, 5);
        char[] entries = new char[HuffmanCode.TOTAL];
        HuffmanCode.entries(sizes, symbols, values, entries);
        int[] ends = new int[HuffmanStreams.STREAMS];
        for (int s = 0, at = 5; s < HuffmanStreams.STREAMS; s++, at = ends[s - 1]) {
            ends[s] = at + streams.bytes(s);
        }
        assertThat(ends[HuffmanStreams.STREAMS - 1]).isEqualTo(end);
        for (int s = 0; s < HuffmanStreams.STREAMS; s++) {
            streams.begin(s, s == 0 ? 5 : ends[s - 1]);
        }
        byte[] back = new byte[2 * count];
        streams.decode(out, entries, back, 0, first);
        streams.decode(out, entries, back, 2 * first, count - first);
        assertThat(back).isEqualTo(data);
        for (int s = 0; s < HuffmanStreams.STREAMS; s++) {
            assertThat(streams.end(s)).isEqualTo(ends[s]);
        }
    }

    private static byte[] written(int[] counts, int symbols) throws CorruptBlockException {
        byte[] sizes = new byte[256];
        HuffmanCode.sizes(counts, 0, symbols, sizes);
        byte[] bytes = new byte[1 << 10];
        var writer = new BitWriter(bytes, 0);
        HuffmanCode.write(sizes, 0, symbols, writer);
        int end = writer.end();
        byte[] read = new byte[256];
        var reader = new BitReader(bytes, 0);
        HuffmanCode.read(reader, read, symbols);
        assertThat(reader.end()).isEqualTo(end);
        assertThat(read).isEqualTo(sizes);
        return read;
    }

    /** Beside Huffman's own algorithm on a queue, as long as no word is too long for us. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 7, 40, 256})
    void noCodeIsShorter(int symbols) throws CorruptBlockException {
        var random = new Random(symbols);
        for (int round = 0; round < 50; round++) {
            int[] counts = new int[256];
            for (int i = 0; i < symbols; i++) {
                counts[i] = 200 + random.nextInt(40) * random.nextInt(40);
            }
            var queue = new PriorityQueue<Long>();
            Arrays.stream(counts).limit(symbols).forEach(count -> queue.add((long) count));
            long least = 0;
            while (queue.size() > 1) {
                long joined = queue.remove() + queue.remove();
                least += joined;
                queue.add(joined);
            }
            assertThat(bits(written(counts, symbols), counts)).isEqualTo(least);
        }
    }

    /** Counts like Fibonacci's numbers ask for words of up to 39 bits. */
    @Test
    void wordsThatWouldBeTooLongAreCut() throws CorruptBlockException {
        int[] counts = new int[256];
        counts[0] = 1;
        counts[1] = 1;
        for (int i = 2; i < 40; i++) {
            counts[i] = counts[i - 1] + counts[i - 2];
        }
        byte[] sizes = written(counts, 40);
        long total = Arrays.stream(counts).asLongStream().sum();
        assertThat(Arrays.copyOf(sizes, 40)).doesNotContain((byte) 0).isSorted();
        // unlimited, this is 1 + φ⁻¹ + φ⁻² + … = 2.618 bits a symbol; the best up to 12 bits has
        // 2.6192
        assertThat((double) bits(sizes, counts) / total).isCloseTo(2.6192, within(0.0001));
    }

    private static long bits(byte[] sizes, int[] counts) {
        long bits = 0;
        for (int i = 0; i < 256; i++) {
            bits += (long) counts[i] * (13 - sizes[i]);
        }
        return bits;
    }

    @Test
    void codesThatDoNotAddUpAreRefused() {
        byte[] bytes = new byte[64];
        var writer = new BitWriter(bytes, 0);
        for (int i = 0; i < 4; i++) {
            writer.putGamma(1); // size 0 four times
        }
        writer.end();
        assertThatThrownBy(() -> HuffmanCode.read(new BitReader(bytes, 0), new byte[4], 4))
                .isInstanceOf(CorruptBlockException.class)
                .hasMessage("code words add up to 0, not 4096");
    }
}
