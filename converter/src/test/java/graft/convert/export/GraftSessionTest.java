package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;

import graft.convert.lowrank.RankRule;
import graft.convert.plan.Progress;
import graft.convert.reduce.ReduceAdapter;
import graft.convert.reduce.ReduceRequest;
import graft.formats.onnx.OnnxAdapter;
import graft.runtime.GraftSession;
import graft.runtime.SessionSettings;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;

/** Four adapters of the trained family, cut to four ranks, from one session. */
class GraftSessionTest {
    private static final Path FAMILY =
            Path.of(System.getProperty("graft.testdata"), "families/mini");
    private static final List<String> TASKS =
            List.of("lora-debsection", "lora-nounsense", "lora-pos", "lora-spam");
    private static final int[] RANKS = {2, 4, 8, 16}; // one each; all were trained with 16

    /** Of float32 sums in another order, relative to the largest logit: as the gates have it. */
    private static final float TOLERANCE = 1e-4f;

    @TempDir Path folder;

    @BeforeEach
    void export() throws IOException {
        for (int i = 0; i < RANKS.length; i++) {
            String task = TASKS.get(i);
            new ReduceAdapter()
                    .run(
                            ReduceRequest.of(
                                    FAMILY.resolve(task),
                                    task,
                                    new RankRule.Fixed(RANKS[i]),
                                    folder.resolve(task)));
        }
        export(ExportRequest.Mode.slots, "lora-", "slots");
        export(ExportRequest.Mode.merged, "lora-", "merged");
    }

    private void export(ExportRequest.Mode mode, String kind, String out) throws IOException {
        List<ExportRequest.Named> sources = new ArrayList<>();
        for (String task : TASKS) {
            String source = task.replace("lora-", kind);
            Path reduced = folder.resolve(source);
            Path path = Files.exists(reduced) ? reduced : FAMILY.resolve(source);
            sources.add(new ExportRequest.Named(path, source));
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

    @Test
    void eightThreadsRunFourRanksOfOneSessionAsTheirMergedGraphs() throws Exception {
        for (int i = 0; i < RANKS.length; i++) {
            assertThat(ranks(folder.resolve("slots/" + TASKS.get(i) + OnnxAdapter.SUFFIX)))
                    .containsOnly((long) RANKS[i]);
        }
        var settings = SessionSettings.DEFAULT.withThreads(1);
        try (var slots = GraftSession.open(folder.resolve("slots"), settings);
                var merged = GraftSession.open(folder.resolve("merged"), settings)) {
            assertThat(slots.tasks()).isEqualTo(TASKS);
            var shapes = List.of(new int[] {1, 7}, new int[] {3, 12}, new int[] {8, 32});
            EightThreads.compare(slots, merged, shapes, TOLERANCE);
        }
    }

    /** Ranks of the factors, without the head that travels with them. */
    private static List<Long> ranks(Path adapter) throws IOException {
        try (var file = OnnxAdapter.open(adapter)) {
            return file.tensors().stream()
                    .filter(info -> info.name().endsWith("lora_A.weight"))
                    .map(info -> info.shape().extent(1))
                    .toList();
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
                    assertThat(EightThreads.run(packed, task, inputs)[0])
                            .containsExactly(
                                    EightThreads.run(plain, task, inputs)[0], within(1e-5f));
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

    /** ONNX Runtime 1.29 would crash above 3,900 bytes. */
    @Test
    void longCommandLinesDoNoHarm() throws Exception {
        for (int length : new int[] {4_000, 100_000}) {
            var builder =
                    new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                            "--enable-native-access=ALL-UNNAMED",
                            "-XX:-CreateCoredumpOnCrash",
                            "-XX:ErrorFile=" + folder.resolve("crash.log"),
                            "-Dgraft.testdata=" + System.getProperty("graft.testdata"),
                            "-Dpadding=" + "x".repeat(length),
                            OneTask.class.getName(),
                            folder.resolve("slots").toString());
            builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
            builder.redirectErrorStream(true);
            Process process = builder.start();
            String printed =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor()).as(printed).isZero();
            assertThat(printed).contains("logits of " + TASKS);
        }
    }

    /** A process of its own. */
    static final class OneTask {
        public static void main(String[] arguments) throws Exception {
            try (var session = GraftSession.open(Path.of(arguments[0]))) {
                Map<String, OnnxTensor> inputs = EightThreads.inputs(session, 2, 5);
                for (String task : session.tasks()) {
                    EightThreads.run(session, task, inputs);
                }
                System.out.println("logits of " + session.tasks());
            }
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
