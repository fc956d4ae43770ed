package graft.convert.verify;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.convert.job.ConvertModels;
import graft.convert.job.ConvertRequest;
import graft.convert.merge.MergeOptions;
import graft.convert.plan.Progress;
import graft.convert.plan.Workers;
import graft.convert.sparsify.SparsifyModel;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.SparsifyRequest;
import graft.convert.testing.Python;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

class DeltaFiguresTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");

    @TempDir Path folder;
    private Path base;
    private Path tune;

    @BeforeEach
    void copyInputs() throws IOException {
        base =
                Files.copy(
                        FAMILY.resolve("base/model.safetensors"), folder.resolve("b.safetensors"));
        tune =
                Files.copy(
                        FAMILY.resolve("fft-pos/model.safetensors"),
                        folder.resolve("t.safetensors"));
    }

    @Test
    void figuresOfSparsifyAreThoseOfTheLedgerAndOfNumpy() throws Exception {
        Path out = sparsify();
        DeltaFigures.Result result = verify(out, List.of());
        assertThat(result.failures()).isEmpty();
        assertThat(result.notes()).isEmpty();
        assertThat(result.tensors()).isGreaterThan(50);
        Python.with("numpy", "safetensors")
                .run(
                        "check_figures.py",
                        docs(),
                        List.of(out.toString(), base.toString(), tune.toString()));
    }

    private String docs() {
        return Path.of(System.getProperty("graft.root"), "docs/sparse-delta.md").toString();
    }

    @Test
    void figuresOfConvertAreThoseOfTheLedger() throws IOException {
        Path out = convert("fft-pos", "fft-spam", "lora-pos");
        DeltaFigures.Result none = verify(out, List.of());
        assertThat(none.tensors()).isZero();
        assertThat(none.notes()).hasSize(2).allMatch(n -> n.contains("were not derived again"));
        DeltaFigures.Result one = verify(out, List.of(FAMILY.resolve("fft-spam")));
        assertThat(one.tensors()).isPositive();
        assertThat(one.failures()).isEmpty();
        assertThat(one.notes()).singleElement().asString().contains("fft-pos", "--source");
        assertThat(
                        verify(out, List.of(FAMILY.resolve("fft-spam"), FAMILY.resolve("fft-pos")))
                                .notes())
                .isEmpty();
    }

    @Test
    void figuresOfOneFineTuneTwiceAreDerivedTwice() throws IOException {
        Path out = convert("fft-pos", "fft-pos");
        DeltaFigures.Result result = verify(out, List.of(FAMILY.resolve("fft-pos")));
        assertThat(result.notes()).isEmpty();
        assertThat(result.failures()).isEmpty();
        assertThat(result.tensors()).isGreaterThan(100); // above 50 each
    }

    @Test
    void inputsThatDoNotFitTheDeltasAreSaid() throws IOException {
        Path out = convert("fft-pos", "fft-spam");
        change(out, ledger -> ((ArrayNode) ledger.get("inputs")).remove(1));
        DeltaFigures.Result result = verify(out, List.of(FAMILY.resolve("fft-pos")));
        assertThat(result.tensors()).isZero();
        assertThat(result.notes())
                .singleElement()
                .asString()
                .startsWith("figures were not derived again: ");
    }

    private Path convert(String... tasks) throws IOException {
        Path out = folder.resolve("family");
        List<ConvertRequest.Source> sources = new ArrayList<>();
        for (String task : tasks) {
            sources.add(new ConvertRequest.Source(FAMILY.resolve(task), "gone/" + task));
        }
        new ConvertModels()
                .run(
                        new ConvertRequest(
                                sources,
                                base,
                                base.toString(),
                                MergeOptions.taskArithmetic(0.3),
                                Optional.empty(),
                                SparsifyOptions.compact(),
                                0.95,
                                Optional.empty(),
                                false,
                                out,
                                false,
                                false,
                                false,
                                2,
                                Progress.NONE));
        return out;
    }

    @Test
    void figuresThatTheLedgerTellsOtherwiseFail() throws IOException {
        Path out = sparsify();
        change(
                out,
                ledger -> {
                    var record = (ObjectNode) ledger.get("tensors").get(7);
                    record.put("relativeError", record.get("relativeError").doubleValue() * 0.99);
                });
        assertThat(verify(out, List.of()).failures())
                .singleElement()
                .asString()
                .contains("relativeError is ", ", the ledger says ");
    }

    @Test
    void changedInputIsNotTaken() throws IOException {
        Path out = sparsify();
        byte[] bytes = Files.readAllBytes(tune);
        bytes[bytes.length - 1] ^= 1;
        Files.write(tune, bytes);
        DeltaFigures.Result result = verify(out, List.of());
        assertThat(result.tensors()).isZero();
        assertThat(result.notes()).singleElement().asString().contains("fine-tune", "not there as");
    }

    private static void change(Path out, Consumer<ObjectNode> change) throws IOException {
        Path file = out.resolve("graft.json");
        var ledger = (ObjectNode) new ObjectMapper().readTree(file.toFile());
        change.accept(ledger);
        Files.writeString(file, ledger.toString());
    }

    private Path sparsify() throws IOException {
        Path out = folder.resolve("delta");
        new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                tune,
                                tune.toString(),
                                base,
                                base.toString(),
                                SparsifyOptions.signs(0.05),
                                out,
                                false,
                                false,
                                2,
                                Progress.NONE));
        return out;
    }

    private static DeltaFigures.Result verify(Path out, List<Path> sources) throws IOException {
        try (var workers = new Workers(2)) {
            return new DeltaFigures().run(out, sources, workers, Progress.NONE);
        }
    }
}
