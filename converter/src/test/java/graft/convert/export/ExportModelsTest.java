package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeOptions;
import graft.convert.merge.MergeRequest;
import graft.convert.plan.Progress;
import graft.convert.sparsify.ApplyDelta;
import graft.convert.sparsify.ApplyRequest;
import graft.convert.sparsify.SparsifyModel;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.SparsifyRequest;
import graft.formats.checkpoint.CheckpointWriter;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A delta over a merged model, in a graph that was exported from the base of both. */
class ExportModelsTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");
    private static final Path GRAPH = FAMILY.resolve("onnx/theta0-nounsense-torchscript.onnx");

    @TempDir Path folder;

    @BeforeEach
    void mergeAndSparsify() throws IOException {
        new MergeModels()
                .run(
                        new MergeRequest(
                                FAMILY.resolve("base"),
                                "base",
                                List.of(
                                        new MergeRequest.FineTune(FAMILY.resolve("fft-pos"), "pos"),
                                        new MergeRequest.FineTune(
                                                FAMILY.resolve("fft-spam"), "spam")),
                                MergeOptions.taskArithmetic(0.3),
                                List.of(),
                                Optional.empty(),
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                folder.resolve("merged"),
                                false,
                                1,
                                Progress.NONE));
        new SparsifyModel()
                .run(
                        new SparsifyRequest(
                                FAMILY.resolve("fft-pos"),
                                "pos",
                                folder.resolve("merged"),
                                "merged",
                                SparsifyOptions.signs(0.05),
                                folder.resolve("delta"),
                                false,
                                false,
                                1,
                                Progress.NONE));
    }

    @Test
    void everyModeEqualsTheAppliedCheckpointBitForBit() throws IOException {
        new ApplyDelta()
                .run(
                        new ApplyRequest(
                                folder.resolve("delta"),
                                "delta",
                                folder.resolve("merged"),
                                "merged",
                                CheckpointWriter.DEFAULT_SHARD_BYTES,
                                folder.resolve("applied"),
                                false,
                                1,
                                Progress.NONE));
        export("applied", "base", ExportRequest.Mode.merged, "a");
        export("delta", "merged", ExportRequest.Mode.merged, "b");
        export("delta", "merged", ExportRequest.Mode.shared, "c");
        Path reference = folder.resolve("a/applied.onnx");
        for (String other : List.of("b/delta.onnx", "c/delta.onnx")) {
            var gate =
                    new GraphGate(
                            "delta",
                            folder.resolve(other),
                            Optional.empty(),
                            reference,
                            GraphGate.Expect.SAME,
                            Map.of());
            assertThat(gate.run().maxDifference()).isZero();
        }
    }

    @Test
    void ledgerSaysWhatWasBoundAndChecked() throws IOException {
        Ledger ledger = export("delta", "merged", ExportRequest.Mode.shared, "out");
        assertThat(ledger.total("initializersBound")).isEqualTo(55);
        assertThat(ledger.results()).hasSize(1);
        assertThat(ledger.results().getFirst())
                .containsEntry("task", "delta")
                .containsEntry("verified", "equals the dense model bit for bit");
        assertThat(ledger.outputs())
                .extracting(Ledger.Output::path)
                .containsExactly("base.onnx.data", "delta.delta.data", "delta.onnx");
    }

    @Test
    void exportThatChangesNothingIsRefused() {
        assertThatThrownBy(() -> export("merged", "merged", ExportRequest.Mode.merged, "out"))
                .isInstanceOf(ConversionException.NothingMatched.class);
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void deltaOfAnotherBaseIsRefused() {
        for (var mode : List.of(ExportRequest.Mode.merged, ExportRequest.Mode.shared)) {
            assertThatThrownBy(() -> export("delta", "base", mode, "out"))
                    .isInstanceOf(ConversionException.BaseMismatch.class)
                    .hasMessageContaining("is not the base that");
            assertThat(folder.resolve("out")).doesNotExist();
        }
    }

    @Test
    void adapterBesideADeltaDoesNotBuildOnTheMergedModel() throws IOException {
        Path lora = Files.createDirectory(folder.resolve("lora"));
        for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
            Files.copy(FAMILY.resolve("lora-pos").resolve(name), lora.resolve(name));
        }
        Files.writeString(folder.resolve(Ledger.FILE_NAME), "{\"command\": \"convert\"}");
        export("", Optional.empty(), ExportRequest.Mode.merged, "bundle-out");
        export("lora", "base", ExportRequest.Mode.merged, "alone");
        assertThat(folder.resolve("bundle-out/lora.onnx"))
                .hasSameBinaryContentAs(folder.resolve("alone/lora.onnx"));
    }

    @Test
    void nothingStaysMappedWhenAGraphIsRefused() throws IOException {
        Path maps = Path.of("/proc/self/maps");
        assumeThat(maps).exists();
        var merged = new ExportRequest.Named(folder.resolve("merged"), "merged");
        assertThatThrownBy(() ->
                        new ExportModels()
                                .run(
                                        new ExportRequest(
                                                List.of(
                                                        new ExportRequest.Named(
                                                                folder.resolve("delta"), "delta")),
                                                Optional.of(GRAPH),
                                                Optional.empty(),
                                                Optional.of(merged),
                                                ExportRequest.Mode.merged,
                                                ExportRequest.Form.DEFAULT,
                                                Optional.empty(),
                                                folder.resolve("out"),
                                                false,
                                                Progress.NONE)))
                .isInstanceOf(ConversionException.class);
        assertThat(Files.readAllLines(maps)).noneMatch(line -> line.contains(folder.toString()));
    }

    private Ledger export(String source, String base, ExportRequest.Mode mode, String out)
            throws IOException {
        var theta0 = new ExportRequest.Named(FAMILY.resolve("base"), "base");
        var on = base.equals("base") ? theta0 : new ExportRequest.Named(folder.resolve(base), base);
        return export(source, Optional.of(on), mode, out);
    }

    private Ledger export(
            String source, Optional<ExportRequest.Named> base, ExportRequest.Mode mode, String out)
            throws IOException {
        var theta0 = new ExportRequest.Named(FAMILY.resolve("base"), "base");
        return new ExportModels()
                .run(
                        new ExportRequest(
                                List.of(new ExportRequest.Named(folder.resolve(source), source)),
                                Optional.of(GRAPH),
                                Optional.of(theta0),
                                base,
                                mode,
                                ExportRequest.Form.DEFAULT,
                                Optional.of(Duration.ofMinutes(5)),
                                folder.resolve(out),
                                false,
                                Progress.NONE));
    }
}
