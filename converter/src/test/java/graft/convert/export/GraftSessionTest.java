package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.convert.plan.Progress;
import graft.runtime.GraftSession;
import graft.runtime.SessionSettings;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** The four adapters of the trained family from one session, beside their merged graphs. */
class GraftSessionTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");
    private static final List<String> TASKS =
            List.of("lora-debsection", "lora-nounsense", "lora-pos", "lora-spam");

    @TempDir Path folder;

    @BeforeEach
    void export() throws IOException {
        export(ExportRequest.Mode.slots, "lora-", "slots");
        export(ExportRequest.Mode.merged, "lora-", "merged");
    }

    private void export(ExportRequest.Mode mode, String kind, String out) throws IOException {
        List<ExportRequest.Named> sources = new ArrayList<>();
        for (String task : TASKS) {
            String source = task.replace("lora-", kind);
            sources.add(new ExportRequest.Named(FAMILY.resolve(source), source));
        }
        new ExportModels()
                .run(
                        new ExportRequest(
                                sources,
                                Optional.of(
                                        FAMILY.resolve("onnx/theta0-nounsense-torchscript.onnx")),
                                Optional.empty(),
                                Optional.of(
                                        new ExportRequest.Named(FAMILY.resolve("base"), "base")),
                                mode,
                                ExportRequest.Form.DEFAULT,
                                Optional.empty(),
                                folder.resolve(out),
                                false,
                                Progress.NONE));
    }

    private static Map<String, OnnxTensor> inputs(GraftSession session, int rows, int width)
            throws Exception {
        Map<String, OnnxTensor> inputs = new HashMap<>();
        for (String name : session.session(TASKS.getFirst()).getInputNames()) {
            long[][] values = new long[rows][width];
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < width; j++) {
                    values[i][j] = name.contains("mask") ? (j < width - i ? 1 : 0) : (i + j) % 2;
                }
            }
            inputs.put(name, OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), values));
        }
        return inputs;
    }

    private static float[][] run(GraftSession session, String task, Map<String, OnnxTensor> inputs)
            throws Exception {
        try (var result = session.run(task, inputs)) {
            return (float[][]) result.get(0).getValue();
        }
    }

    @Test
    void eightThreadsRunFourAdaptersOfOneSessionAsTheirMergedGraphs() throws Exception {
        var settings = SessionSettings.DEFAULT.withThreads(1);
        try (var slots = GraftSession.open(folder.resolve("slots"), settings);
                var merged = GraftSession.open(folder.resolve("merged"), settings);
                var pool = Executors.newFixedThreadPool(8)) {
            assertThat(slots.tasks()).isEqualTo(TASKS);
            assertThat(merged.tasks()).isEqualTo(TASKS);
            Map<String, OnnxTensor> inputs = inputs(slots, 3, 12);
            Map<String, float[][]> expected = new HashMap<>();
            for (String task : TASKS) {
                expected.put(task, run(merged, task, inputs));
            }
            List<Future<?>> futures = new ArrayList<>();
            for (int i = 0; i < 160; i++) {
                String task = TASKS.get(i % TASKS.size());
                futures.add(
                        pool.submit(() -> {
                            float[][] found = run(slots, task, inputs);
                            float[][] right = Objects.requireNonNull(expected.get(task));
                            for (int row = 0; row < 3; row++) {
                                assertThat(found[row])
                                        .as(task)
                                        .containsExactly(right[row], within(1e-4f));
                            }
                            return null;
                        }));
            }
            for (Future<?> future : futures) {
                future.get();
            }
            assertThat(slots.session(TASKS.get(0))).isSameAs(slots.session(TASKS.get(3)));
            inputs.values().forEach(OnnxTensor::close);
        }
    }

    @Test
    void packedGraphsOfASharedBaseGiveTheSameAndAreMadeOnce() throws Exception {
        export(ExportRequest.Mode.shared, "fft-", "shared");
        Path cache = folder.resolve("cache");
        var settings = SessionSettings.DEFAULT.withThreads(1);
        try (var plain = GraftSession.open(folder.resolve("shared"), settings);
                var packed =
                        GraftSession.open(folder.resolve("shared"), settings.withCache(cache))) {
            assertThat(plain.tasks()).contains("fft-pos", "fft-spam");
            Map<String, OnnxTensor> inputs = new HashMap<>();
            for (String name : plain.session("fft-pos").getInputNames()) {
                inputs.put(
                        name,
                        OnnxTensor.createTensor(
                                OrtEnvironment.getEnvironment(), new long[][] {{1, 1, 1, 1}}));
            }
            for (int round = 0; round < 2; round++) {
                for (String task : List.of("fft-pos", "fft-spam")) {
                    assertThat(run(packed, task, inputs)[0])
                            .containsExactly(run(plain, task, inputs)[0], within(1e-5f));
                }
            }
            inputs.values().forEach(OnnxTensor::close);
        }
        try (var entries = Files.list(cache)) {
            assertThat(entries.map(e -> e.getFileName().toString()))
                    .hasSize(2)
                    .noneMatch(name -> name.startsWith("."));
        }
    }

    @Test
    void unknownTaskAndClosedSessionAreRefused() throws Exception {
        var session = GraftSession.open(folder.resolve("slots"));
        assertThatThrownBy(() -> session.run("nothing", Map.of()))
                .isInstanceOf(NoSuchElementException.class)
                .hasMessageContaining("lora-pos");
        session.close();
        assertThatThrownBy(() -> session.run("lora-pos", Map.of()))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> GraftSession.open(folder)).isInstanceOf(NoSuchFileException.class);
    }
}
