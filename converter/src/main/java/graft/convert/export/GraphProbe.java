package graft.convert.export;

import graft.convert.ConversionException;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;

/**
 * Runs two graphs on the same made-up rows. Ids are 0 and 1, which every vocabulary has, and type
 * ids too; masks have padding.
 */
final class GraphProbe {
    private static final int[][] BATCHES = {{1, 7}, {3, 16}};

    /** What the second graph is to the first. */
    enum Expect {
        /** The same model in another form: outputs equal bit for bit. */
        SAME,
        /** The base: outputs differ, or the export did nothing. */
        DIFFERENT
    }

    private GraphProbe() {}

    /**
     * @return what was found, for the ledger
     * @throws ConversionException.CheckFailed if it is not as expected
     */
    static String compare(Path written, Path other, Expect expect) throws IOException {
        boolean same = true;
        try (var one = OrtModel.open(written);
                var two = OrtModel.open(other)) {
            for (int[] batch : BATCHES) {
                Map<String, long[]> rows = rows(one, batch[0], batch[1]);
                float[][] left = one.run(rows, batch[0], batch[1]);
                float[][] right = two.run(rows, batch[0], batch[1]);
                same &= Arrays.deepEquals(left, right);
            }
        }
        if (same != (expect == Expect.SAME)) {
            throw new ConversionException.CheckFailed(
                    "%s: %s"
                            .formatted(
                                    written.getFileName(),
                                    same
                                            ? "computes exactly what the base does"
                                            : "differs from the dense form of the same model"),
                    same
                            ? "check that the source is not the base itself, or use --no-verify"
                            : "this is a bug; please report it");
        }
        return same ? "equals the dense model bit for bit" : "runs, and differs from the base";
    }

    private static Map<String, long[]> rows(OrtModel model, int count, int width) {
        var random = new Random(17);
        Map<String, long[]> inputs = new HashMap<>();
        for (String name : model.inputs()) {
            long[] values = new long[count * width];
            for (int i = 0; i < values.length; i++) {
                boolean padding = i % width >= width - i / width;
                values[i] = name.contains("mask") ? (padding ? 0 : 1) : random.nextInt(2);
            }
            inputs.put(name, values);
        }
        return inputs;
    }
}
