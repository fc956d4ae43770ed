package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.testing.Checkpoints;
import graft.formats.onnx.ExternalDataWriter;
import graft.formats.onnx.OnnxModel;
import graft.formats.onnx.proto.ModelProto;
import graft.formats.onnx.proto.TensorProto;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;
import graft.hub.testing.Call;
import graft.hub.testing.FakeHub;
import graft.hub.testing.Fault;
import graft.hub.testing.Served;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** The real launcher and a Hub on loopback. */
class HubIT {
    @TempDir Path folder;
    FakeHub hub;

    @BeforeEach
    void start() throws IOException {
        hub = FakeHub.start(folder.resolve("hub"));
        Path family = GraftProcess.testdata("families/mini");
        hub.create("acme/base").commitFolder("add", family.resolve("base"));
        hub.create("acme/tunes").commitFolder("add", family.resolve("fft-pos"));
        hub.create("acme/lora").commitFolder("add", family.resolve("lora-pos"));
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private GraftProcess graft(Map<String, String> more) {
        Map<String, String> environment = new HashMap<>(more);
        environment.put("HF_ENDPOINT", hub.endpoint().toString());
        environment.put("HF_HUB_CACHE", folder.resolve("cache").toString());
        environment.put("HF_TOKEN", FakeHub.WRITER);
        environment.putAll(more);
        return new GraftProcess(folder, environment);
    }

    private GraftProcess.Result run(Object... arguments) throws Exception {
        return graft(Map.of()).run(arguments);
    }

    private static JsonNode json(GraftProcess.Result result) throws IOException {
        return new ObjectMapper().readTree(result.out());
    }

    @Test
    void inspectReadsHeadersAlone() throws Exception {
        var remote = run("inspect", "acme/base", "--json");
        assertThat(remote.code()).as(remote.err()).isZero();
        var local = run("inspect", GraftProcess.testdata("families/mini/base"), "--json");
        assertThat(json(remote).path("tensors")).isEqualTo(json(local).path("tensors"));
        assertThat(json(remote).path("bytes")).isEqualTo(json(local).path("bytes"));
        assertThat(json(remote).path("source").asText())
                .isEqualTo("acme/base@" + hub.repo("acme/base").head("main").orElseThrow());
        assertThat(json(remote).path("bytesRead").asLong()).isEqualTo(64 << 10);
        assertThat(folder.resolve("cache")).doesNotExist();
    }

    /** kohya keeps scales in tensors, not in headers or configuration. */
    @Test
    void inspectReadsTheScalesOfAKohyaFileToo() throws Exception {
        int side = 8192;
        Map<String, float[]> tensors = new HashMap<>();
        Map<String, long[]> shapes = new HashMap<>();
        for (String module : List.of("lora_unet_a", "lora_unet_b")) {
            tensors.put(module + ".alpha", new float[] {2});
            shapes.put(module + ".alpha", new long[0]);
            tensors.put(module + ".lora_down.weight", new float[4 * side]);
            shapes.put(module + ".lora_down.weight", new long[] {4, side});
            tensors.put(module + ".lora_up.weight", new float[4 * side]);
            shapes.put(module + ".lora_up.weight", new long[] {side, 4});
        }
        Path adapter = Files.createDirectory(folder.resolve("kohya"));
        Checkpoints.write(adapter.resolve("lora.safetensors"), DType.F32, tensors, shapes);
        hub.create("acme/kohya").commitFolder("add", adapter);
        var remote = run("inspect", "acme/kohya", "--json");
        assertThat(remote.code()).as(remote.err()).isZero();
        assertThat(json(remote).at("/facts/scales")).hasToString("[0.5]");
        assertThat(json(remote).path("bytesRead").asLong()).isLessThan(100_000);
    }

    @Test
    void dryRunSaysWhatWouldMoveAndMovesNothing() throws Exception {
        var result = run("reduce", "acme/lora", "--rank", "2", "-o", "out", "--dry-run", "--json");
        assertThat(result.code()).as(result.err()).isZero();
        long weights =
                Files.size(
                        GraftProcess.testdata("families/mini/lora-pos/adapter_model.safetensors"));
        assertThat(json(result).path("bytesToFetch").asLong()).isGreaterThanOrEqualTo(weights);
        assertThat(folder.resolve("cache")).doesNotExist();
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void verbsTakeReferencesAndFetchWhatTheyNeed() throws Exception {
        hub.repo("acme/tunes")
                .commit(
                        "more",
                        Map.of(
                                "logs/events.bin",
                                new byte[2_000_000],
                                "flax_model.msgpack",
                                new byte[3_000_000]));
        var result =
                run(
                        "sparsify",
                        "acme/tunes",
                        "--base",
                        "hf://acme/base@main",
                        "-o",
                        "delta",
                        "--json");
        assertThat(result.code()).as(result.err()).isZero();
        assertThat(json(result).path("inputs").toString())
                .contains("acme/tunes@" + hub.repo("acme/tunes").head("main").orElseThrow());
        try (Stream<Path> cached = Files.walk(folder.resolve("cache"))) {
            assertThat(cached.map(Path::toString))
                    .noneMatch(p -> p.endsWith("msgpack") || p.endsWith("events.bin"));
        }
        var offline =
                run("apply", "delta", "--base", "acme/base", "-o", "model", "--offline", "-q");
        assertThat(offline.code()).as(offline.err()).isZero();
        assertThat(offline.out().strip()).isEqualTo("model");
    }

    @Test
    void baseOfABudgetMovesOnlyTheTensorsThatTheAdapterTouches() throws Exception {
        Path lora = GraftProcess.testdata("families/mini/lora-pos");
        var remote = run("reduce", lora, "--size", "60kB", "--base", "acme/base", "-o", "remote");
        assertThat(remote.code()).as(remote.err()).isZero();
        long moved =
                hub.served().stream()
                        .filter(s -> s.call().origin() == Call.Origin.CDN)
                        .mapToLong(Served::bodyBytes)
                        .sum();
        long whole = Files.size(GraftProcess.testdata("families/mini/base/model.safetensors"));
        assertThat(moved).isPositive().isLessThan(whole * 6 / 10); // tensors of 45 %, and headers
        assertThat(folder.resolve("cache")).doesNotExist();
        Path base = GraftProcess.testdata("families/mini/base");
        var local = run("reduce", lora, "--size", "60kB", "--base", base, "-o", "local");
        assertThat(local.code()).as(local.err()).isZero();
        assertThat(folder.resolve("remote/adapter_model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("local/adapter_model.safetensors"));
    }

    @Test
    void downloadFillsCacheOrFolder() throws Exception {
        var cached = run("download", "acme/lora", "-q");
        assertThat(cached.code()).as(cached.err()).isZero();
        assertThat(Path.of(cached.out().strip()).resolve("adapter_config.json")).exists();
        var local = run("download", "acme/base", "config.json", "--local-dir", "here", "--json");
        assertThat(local.code()).as(local.err()).isZero();
        assertThat(folder.resolve("here/config.json"))
                .hasSameBinaryContentAs(GraftProcess.testdata("families/mini/base/config.json"));
        assertThat(json(local).path("files")).hasSize(1);
        var missing = run("download", "acme/base", "--include", "*.gguf", "--json");
        assertThat(missing.code()).isEqualTo(66);
        assertThat(json(missing).path("error").path("kind").asText()).isEqualTo("not-found");
    }

    @Test
    void uploadGoesRoundAndCacheIsInOrder() throws Exception {
        var reduce = run("reduce", "acme/lora", "--rank", "2", "-o", "small");
        assertThat(reduce.code()).as(reduce.err()).isZero();
        var upload = run("upload", "small", "acme/small", "--private", "--json");
        assertThat(upload.code()).as(upload.err()).isZero();
        assertThat(hub.repo("acme/small").files("main"))
                .contains("README.md", "graft.json", "adapter_model.safetensors");
        assertThat(hub.repo("acme/small").isPrivate()).isTrue();
        var again = run("upload", "small", "acme/small", "--json");
        assertThat(json(again).path("files").asInt(-1)).isZero();
        var back = run("download", "acme/small", "--local-dir", "back", "-q");
        assertThat(back.code()).as(back.err()).isZero();
        assertThat(folder.resolve("back/adapter_model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("small/adapter_model.safetensors"));

        assertThat(run("cache", "verify", "-q").code()).isZero();
        try (Stream<Path> blobs = Files.list(folder.resolve("cache/models--acme--lora/blobs"))) {
            Path blob =
                    blobs.filter(b -> b.getFileName().toString().length() == 64)
                            .findFirst()
                            .orElseThrow();
            Files.write(blob, new byte[] {1, 2, 3});
        }
        var damaged = run("cache", "verify", "--json");
        assertThat(damaged.code()).isEqualTo(1);
        assertThat(json(damaged).path("problems")).hasSize(1);
        var pruned = run("cache", "prune", "--json");
        assertThat(json(pruned).path("paths")).isEmpty();
        assertThat(run("cache", "ls").out()).contains("acme/lora");
    }

    @Test
    void pruneRemovesWhatNoBranchMeans() throws Exception {
        run("download", "acme/base", "-q");
        hub.repo("acme/base")
                .commit(
                        "newer",
                        Map.of(
                                "config.json",
                                "{}".getBytes(java.nio.charset.StandardCharsets.UTF_8)));
        run("download", "acme/base", "-q");
        var plan = json(run("cache", "prune", "--dry-run", "--json"));
        assertThat(plan.path("paths"))
                .hasSize(3); // the old snapshot, its list, the old config.json
        assertThat(json(run("cache", "prune", "--json")).path("paths"))
                .isEqualTo(plan.path("paths"));
        var offline = run("inspect", "acme/base", "--offline", "--json");
        assertThat(offline.code()).as(offline.err()).isZero();
        assertThat(
                        json(run("cache", "ls", "--json"))
                                .path("repositories")
                                .path(0)
                                .path("revisions"))
                .hasSize(1);
    }

    @Test
    void errorsHaveTheirCodesAndNoToken() throws Exception {
        hub.repo("acme/lora").setGated(true);
        var gated = graft(Map.of("HF_TOKEN", FakeHub.READER)).run("inspect", "acme/lora", "--json");
        assertThat(gated.code()).isEqualTo(77);
        assertThat(gated.helpLine()).contains(hub.endpoint() + "/acme/lora");
        assertThat(gated.out() + gated.err()).doesNotContain(FakeHub.READER);
        assertThat(run("inspect", "acme/none").code()).isEqualTo(66);
        assertThat(run("inspect", "datasets/acme/none").code()).isEqualTo(2);
        assertThat(run("inspect", "acme/base@v1", "--revision", "v1").code()).isEqualTo(2);
        assertThat(run("inspect", "acme/base", "--offline").code()).isEqualTo(66);
        hub.inject(Fault.flipBit(100_000).target("model.safetensors"));
        var verbose =
                run("upload", "nothing", "acme/x", "--verbose", "--token", "hf_secretOnTheLine");
        assertThat(verbose.code()).isEqualTo(66);
        assertThat(verbose.err()).doesNotContain("hf_secret");
        hub.close();
        var gone = graft(Map.of("HF_HUB_ETAG_TIMEOUT", "1")).run("download", "acme/base", "--json");
        assertThat(gone.code()).isEqualTo(74);
        assertThat(json(gone).path("error").path("code").asInt()).isEqualTo(74);
    }

    @Test
    void dryRunCountsTheGraphAndItsData() throws Exception {
        Path base = withGraphs("model.onnx_data");
        hub.create("acme/graphed").commitFolder("add", base);
        long graph =
                Files.size(base.resolve("onnx/model.onnx"))
                        + Files.size(base.resolve("onnx/model.onnx_data"));
        Object[] whole = {"convert", "acme/tunes", "--base", "acme/graphed", "--dry-run", "--json"};
        Object[] without = Arrays.copyOf(whole, whole.length + 2);
        without[whole.length] = "--graph";
        without[whole.length + 1] = "none";
        long models = json(run(without)).path("bytesToFetch").asLong();
        assertThat(models).isPositive();
        assertThat(json(run(whole)).path("bytesToFetch").asLong()).isEqualTo(models + graph);
        var bound = run("export", "acme/graphed", "--dry-run", "--json");
        assertThat(json(bound).path("bytesToFetch").asLong()).isGreaterThan(graph);
        var text = run("convert", "acme/tunes", "--base", "acme/graphed", "--dry-run");
        assertThat(text.out()).contains("Would download").doesNotContain("unused");
        assertThat(folder.resolve("cache")).doesNotExist();
        run("download", "acme/tunes", "-q");
        run("download", "acme/graphed", "--include", "*.json", "--include", "*.safetensors", "-q");
        var forecast = run("convert", "acme/tunes", "--base", "acme/graphed", "--dry-run");
        assertThat(forecast.out())
                .contains("as asked", "the base's graph: " + Sizes.decimal(graph));
        var missing =
                run(
                        "convert",
                        "acme/tunes",
                        "--base",
                        "acme/base",
                        "--graph",
                        "acme/lora",
                        "-o",
                        "x");
        assertThat(missing.code()).isEqualTo(66);
        assertThat(folder.resolve("cache/models--acme--base")).doesNotExist();
    }

    /** Of the graphs of a repository the one by the rule, with the data that it names itself. */
    @Test
    void graphOfTheBaseComesWithItsData() throws Exception {
        Path base = withGraphs("all-weights.bin");
        Files.copy(plainGraph(), base.resolve("onnx/other.bin"));
        hub.create("acme/graphed").commitFolder("add", base);
        var exported = run("export", "acme/tunes", "--base", "acme/graphed", "-o", "out", "--json");
        assertThat(exported.code()).as(exported.err()).isZero();
        assertThat(json(exported).at("/results/0/verified").asText()).contains("differs");
        var local = run("export", "acme/tunes", "--base", base, "-o", "local");
        assertThat(local.code()).as(local.err()).isZero();
        assertThat(folder.resolve("out/tunes.onnx.data"))
                .hasSameBinaryContentAs(folder.resolve("local/tunes.onnx.data"));
        var converted = run("convert", "acme/tunes", "--base", "acme/graphed", "-o", "family");
        assertThat(converted.code()).as(converted.err()).isZero();
        assertThat(folder.resolve("family/onnx/tunes.onnx")).exists();
        var bound = run("export", "acme/graphed", "--dry-run", "--json", "--offline");
        assertThat(bound.code()).as(bound.err()).isZero();
        assertThat(json(bound).path("bindings")).hasSize(55);
        try (Stream<Path> cached = Files.walk(folder.resolve("cache"))) {
            assertThat(cached.map(path -> path.getFileName().toString()))
                    .contains("model.onnx", "all-weights.bin")
                    .doesNotContain("model_int8.onnx", "other.bin");
        }
        var none = run("export", "acme/tunes", "--base", "acme/base", "-o", "none");
        assertThat(none.code()).isEqualTo(66);
        assertThat(none.err()).contains("no onnx/model.onnx", "--graph");
    }

    /**
     * A base with a graph, whose larger weights lie in {@code data} beside it, and another graph.
     */
    private Path withGraphs(String data) throws IOException {
        Path base = folder.resolve("with-graph");
        Files.createDirectories(base.resolve("onnx"));
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(
                    GraftProcess.testdata("families/mini/base").resolve(file), base.resolve(file));
        }
        externalise(plainGraph(), base.resolve("onnx/model.onnx"), data);
        Files.copy(plainGraph(), base.resolve("onnx/model_int8.onnx"));
        return base;
    }

    private static Path plainGraph() {
        return GraftProcess.testdata("families/mini/onnx/theta0-nounsense-torchscript.onnx");
    }

    /** The same graph, its larger weights in a file beside it. */
    private static void externalise(Path plain, Path graph, String data) throws IOException {
        try (var model = OnnxModel.open(plain);
                var out = ExternalDataWriter.create(graph.resolveSibling(data))) {
            ModelProto.Builder copy = model.proto().toBuilder();
            copy.getGraphBuilder().clearInitializer();
            for (TensorProto tensor : model.proto().getGraph().getInitializerList()) {
                Optional<TensorInfo> info = model.find(tensor.getName());
                copy.getGraphBuilder()
                        .addInitializer(
                                info.isPresent()
                                        ? out.add(info.get(), model.bytes(tensor.getName()))
                                        : tensor);
            }
            Files.write(graph, copy.build().toByteArray());
        }
    }
}
