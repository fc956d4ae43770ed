package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.util.Arrays;
import java.util.Random;

class RansTest {
    /** Geometric symbols with another slope per table, down to nothing but zeros. */
    @ParameterizedTest(name = "{0} symbols of {1}, {2} tables, p {3}, seed {4}")
    @CsvSource({
        "0,1,1,0.5,1",
        "1,1,1,0.5,2",
        "3,2,1,0.5,3",
        "5,256,2,0.9,4",
        "1000,256,16,0.95,5",
        "100003,100,3,0.8,6",
        "100000,256,1,0.0001,7",
        "65536,7,16,0.3,8",
        "4096,256,1,0.999,9"
    })
    void symbolsComeBackNearTheirEntropy(int count, int symbols, int tables, double p, long seed)
            throws CorruptBlockException {
        var random = new Random(seed);
        byte[] data = new byte[count];
        byte[] tableOf = new byte[count];
        int[] counts = new int[tables << 8];
        for (int i = 0; i < count; i++) {
            tableOf[i] = (byte) random.nextInt(tables);
            int symbol = 0;
            while (symbol < symbols - 1 && random.nextDouble() < p / (1 + tableOf[i] % 3)) {
                symbol++;
            }
            data[i] = (byte) symbol;
            counts[tableOf[i] << 8 | symbol]++;
        }
        SymbolModel model = SymbolModel.of(counts, tables, symbols);
        byte[] out = new byte[Rans.bound(count)];
        int begin = Rans.encode(data, tableOf, count, model, out);
        byte[] stream = Arrays.copyOfRange(out, begin, out.length + 2);
        int[] slots = new int[SymbolModel.MAX_TABLES << Rans.PRECISION];
        written(model, tables, symbols).slots(slots);
        byte[] back = new byte[count];
        Rans.decode(stream, 0, stream.length - 2, slots, tableOf, back, count);
        assertThat(back).isEqualTo(data);
        double bits = 0;
        for (int table = 0; table < tables; table++) {
            bits += entropyBits(counts, table << 8);
        }
        // frequencies are rounded to 1/4096 and never to 0: at worst half a unit per symbol and
        // table, which costs most where all symbols are rare; states end with up to 16 bits each
        assertThat(8.0 * (out.length - begin) - 8 * Rans.STATES_BYTES)
                .isLessThan(1.01 * bits + 0.01 * count + 64);
    }

    private static double entropyBits(int[] counts, int from) {
        double total = 0;
        double bits = 0;
        for (int i = from; i < from + 256; i++) {
            total += counts[i];
        }
        for (int i = from; i < from + 256; i++) {
            bits -= counts[i] == 0 ? 0 : counts[i] * Math.log(counts[i] / total) / Math.log(2);
        }
        return bits;
    }

    private static SymbolModel written(SymbolModel model, int tables, int symbols)
            throws CorruptBlockException {
        byte[] bytes = new byte[1 << 14];
        var writer = new BitWriter(bytes, 3);
        model.write(writer);
        int end = writer.end();
        var reader = new BitReader(bytes, 3);
        SymbolModel read = SymbolModel.read(reader, tables, symbols);
        assertThat(reader.end()).isEqualTo(end);
        assertThat(read.frequencies()).isEqualTo(model.frequencies());
        return read;
    }

    @Test
    void everyFlippedBitOfAStreamIsNoticedOrChangesSymbols() throws CorruptBlockException {
        var random = new Random(11);
        byte[] data = new byte[400];
        int[] counts = new int[256];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) Math.min(9, random.nextInt(4) * random.nextInt(4));
            counts[data[i]]++;
        }
        SymbolModel model = SymbolModel.of(counts, 1, 10);
        byte[] out = new byte[Rans.bound(data.length)];
        byte[] none = new byte[data.length];
        int begin = Rans.encode(data, none, data.length, model, out);
        int[] slots = new int[Rans.TOTAL];
        model.slots(slots);
        int noticed = 0;
        for (int bit = 8 * begin; bit < 8 * out.length; bit++) {
            byte[] damaged = Arrays.copyOf(out, out.length + 64);
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            byte[] back = new byte[data.length];
            try {
                Rans.decode(damaged, begin, out.length, slots, none, back, data.length);
                assertThat(back).as("bit %d", bit).isNotEqualTo(data);
            } catch (CorruptBlockException e) {
                noticed++;
            }
        }
        assertThat(noticed).isGreaterThan(8 * (out.length - begin) * 9 / 10);
    }

    @Test
    void frequenciesThatDoNotAddUpAreRefused() {
        byte[] bytes = new byte[64];
        var writer = new BitWriter(bytes, 0);
        for (int i = 0; i < 4; i++) {
            writer.putGamma(1); // frequency 0 four times
        }
        writer.end();
        assertThatThrownBy(() -> SymbolModel.read(new BitReader(bytes, 0), 1, 4))
                .isInstanceOf(CorruptBlockException.class)
                .hasMessage("frequencies add up to 0, not 4096");
    }
}
