package graft.convert.sparsify;

import static graft.convert.sparsify.SparsifyRuns.apply;
import static graft.convert.sparsify.SparsifyRuns.gaussian;
import static graft.convert.sparsify.SparsifyRuns.record;
import static graft.convert.sparsify.SparsifyRuns.run;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.TensorRecord;
import graft.convert.testing.Checkpoints;
import graft.convert.testing.Python;
import graft.formats.tensor.DType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Tensors that a model holds twice. */
class TiedTensorsTest {
    @TempDir Path folder;

    /** Heads tied to embeddings, in files by torch.save: stored once, and both there again. */
    @Test
    void tiedTensorsAreStoredOnce() throws Exception {
        Python python = Python.with("torch", "safetensors");
        python.run("tied.py", "make", List.of(folder.toString()));
        Path base = folder.resolve("base.bin");
        for (var options : List.of(SparsifyOptions.paper(1), SparsifyOptions.compact())) {
            Path delta = folder.resolve("d-" + options.select());
            Ledger ledger = run(folder.resolve("tune.bin"), base, options, 2, delta);
            TensorRecord head = record(ledger, "lm_head.weight");
            assertThat(head.treatment()).isEqualTo("tied");
            assertThat(head.figures().get("tiedTo")).isEqualTo("model.embed_tokens.weight");
            assertThat(head.bytesOut()).isZero();
            assertThat(record(ledger, "aux.a").treatment()).isEqualTo("whole"); // base has none
            assertThat(record(ledger, "aux.b").figures().get("tiedTo")).isEqualTo("aux.a");
            assertThat(record(ledger, "model.norm.weight").treatment()).isEqualTo("sparse");
            assertThat(ledger.totals().get("tensors tied")).isEqualTo(2L);
            Path out = folder.resolve("o-" + options.select());
            apply(delta, base, out, false);
            String exact = options.select() == SparsifyOptions.Select.magnitude ? "exact" : "near";
            python.run(
                    "tied.py",
                    "check",
                    List.of(folder.toString(), out.resolve("model.safetensors").toString(), exact));
        }
    }

    /** Of two tensors that are the same, one is excluded: it is no longer the other's. */
    @Test
    void excludedTensorIsNotTiedToOneThatIsStored() throws IOException {
        var random = new Random(5);
        float[] from = gaussian(random, 600);
        float[] to = gaussian(random, 600);
        for (int i = 0; i < to.length; i++) {
            to[i] = from[i] + to[i] / 8;
        }
        String head = "lm_head.weight";
        String embed = "model.embed_tokens.weight";
        Map<String, long[]> shapes = Map.of(head, new long[] {20, 30}, embed, new long[] {20, 30});
        Path base =
                Checkpoints.write(
                        folder.resolve("b.safetensors"),
                        DType.F32,
                        Map.of(head, from, embed, from),
                        shapes);
        Path model =
                Checkpoints.write(
                        folder.resolve("m.safetensors"),
                        DType.F32,
                        Map.of(head, to, embed, to),
                        shapes);
        var options =
                new SparsifyOptions(
                        SparsifyOptions.Select.magnitude,
                        SparsifyOptions.Scope.global,
                        new Amount.Density(1),
                        Values.exact,
                        Gain.none,
                        17,
                        List.of(new SparsifyOptions.Override("lm_head*", 0)));
        Ledger ledger = run(model, base, options, 1, folder.resolve("d"));
        assertThat(record(ledger, head).treatment()).isEqualTo("sparse");
        apply(folder.resolve("d"), base, folder.resolve("out"), false);
        Path applied = folder.resolve("out/model.safetensors");
        assertThat(Checkpoints.read(applied, head)).isEqualTo(from);
        assertThat(Checkpoints.read(applied, embed)).isEqualTo(to);
    }
}
