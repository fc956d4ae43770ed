package graft.convert.sparsify;

import static graft.convert.sparsify.SparsifyRuns.FAMILY;
import static graft.convert.sparsify.SparsifyRuns.apply;
import static graft.convert.sparsify.SparsifyRuns.everyWay;
import static graft.convert.sparsify.SparsifyRuns.run;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.ledger.Ledger;
import graft.convert.plan.Progress;
import graft.convert.testing.Python;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The layout of compressed-tensors. */
class BitmaskLayoutTest {
    @TempDir Path folder;

    /** compressed-tensors reads the residual, and base plus residual is what apply gives. */
    @Test
    void bitmaskResidualIsWhatApplyAdds() throws Exception {
        Python python =
                Python.with(
                        "torch",
                        "compressed_tensors",
                        "compressed_tensors.compressors.sparse_compressors");
        Path base = FAMILY.resolve("base");
        int n = 0;
        List<String> arguments = new ArrayList<>();
        for (var options : everyWay().toList()) {
            Path delta = folder.resolve("d" + n);
            Path residual = folder.resolve("r" + n);
            Path out = folder.resolve("o" + n++);
            run(FAMILY.resolve("fft-pos"), base, options, 1, delta);
            apply(delta, base, out, false);
            new SparsifyModel()
                    .run(
                            new SparsifyRequest(
                                    FAMILY.resolve("fft-pos"),
                                    "model",
                                    base,
                                    "base",
                                    options,
                                    SparsifyRequest.Layout.bitmask,
                                    residual,
                                    false,
                                    false,
                                    false,
                                    2,
                                    Progress.NONE));
            assertThat(residual.resolve("delta.safetensors")).doesNotExist();
            arguments.add(residual.resolve("residual.safetensors").toString());
            arguments.add(out.resolve("model.safetensors").toString());
        }
        String file = base.resolve("model.safetensors").toString();
        python.run("check_bitmask.py", file, arguments);
    }

    @Test
    void bytesOfABitmaskResidualAreThoseOfItsFile() throws IOException {
        Path out = folder.resolve("residual");
        Ledger expected = bitmask(out, true);
        assertThat(out).doesNotExist();
        Ledger ledger = bitmask(out, false);
        assertThat(expected.total("bytesOut")).isEqualTo(ledger.total("bytesOut"));
        byte[] file = Files.readAllBytes(out.resolve("residual.safetensors"));
        long header = 8 + ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
        assertThat((long) ledger.total("bytesOut")).isEqualTo(file.length - header);
        assertThat(ledger.bytesOut()).isEqualTo(file.length - header);
    }

    private static Ledger bitmask(Path out, boolean dryRun) throws IOException {
        return new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                FAMILY.resolve("fft-pos"),
                                "model",
                                FAMILY.resolve("base"),
                                "base",
                                SparsifyOptions.signs(0.05),
                                SparsifyRequest.Layout.bitmask,
                                out,
                                false,
                                false,
                                dryRun,
                                2,
                                Progress.NONE));
    }
}
