package graft.convert.export;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.convert.ConversionException;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Runs gates in a Java process of their own, for ONNX Runtime is native: what crashes or hangs
 * there is reported here. Stateless, safe from any thread.
 */
final class GateRunner {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int NOT_ACCEPTED = 3;

    private static final Pattern SIGNAL =
            Pattern.compile("#\\s+(SIG[A-Z]+|EXCEPTION_[A-Z_]+) \\(0x");

    private final Duration deadline;

    /**
     * @param deadline for all gates together
     */
    GateRunner(Duration deadline) {
        this.deadline = deadline;
    }

    /**
     * Runs all gates.
     *
     * @param scratch folder for the child's files; they are removed
     * @return a result per gate, for the ledger
     * @throws ConversionException.CheckFailed at the first gate that does not hold, crashes or is
     *     not done by the deadline
     */
    List<Map<String, Object>> run(List<GraphGate> gates, Path scratch) throws IOException {
        if (gates.isEmpty()) {
            return List.of();
        }
        Path request = scratch.resolve("gates.json");
        Path out = scratch.resolve("gates.out");
        Path err = scratch.resolve("gates.err");
        Path crash = scratch.resolve("crash.log");
        try {
            Files.writeString(request, toJson(gates));
            int code = execute(gates, request, out, err, crash);
            return results(gates, code, Files.readString(out), Files.readString(err));
        } finally {
            for (Path file : List.of(request, out, err, crash)) {
                Files.deleteIfExists(file);
            }
        }
    }

    private int execute(List<GraphGate> gates, Path request, Path out, Path err, Path crash)
            throws IOException {
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        var builder =
                new ProcessBuilder(
                                java.toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-Xmx512m",
                                "-XX:-CreateCoredumpOnCrash",
                                "-XX:ErrorFile=" + crash,
                                GateRunner.class.getName(),
                                request.toString())
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile());
        builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
        removeOptions(builder.environment());
        Process process = builder.start();
        try {
            process.getOutputStream().close();
            if (!process.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new ConversionException.CheckFailed(
                        "%s: ONNX Runtime did not finish within %d s"
                                .formatted(running(gates, out).task(), deadline.toSeconds()),
                        "give it longer with --verify-timeout, or use --no-verify");
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } finally {
            process.destroyForcibly();
        }
    }

    /** Options for the parent may contradict the child's, and what they print is no result. */
    static void removeOptions(Map<String, String> environment) {
        List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
                .forEach(environment::remove);
    }

    private static GraphGate running(List<GraphGate> gates, Path out) throws IOException {
        int done = (int) Files.readString(out).lines().filter(l -> l.startsWith("{")).count();
        return gates.get(Math.min(done, gates.size() - 1));
    }

    private static List<Map<String, Object>> results(
            List<GraphGate> gates, int code, String out, String err) throws IOException {
        List<Map<String, Object>> results = new ArrayList<>();
        // a virtual machine that dies says so on standard output, too
        List<String> lines = out.lines().filter(line -> line.startsWith("{")).toList();
        for (int i = 0; i < gates.size(); i++) {
            GraphGate gate = gates.get(i);
            if (i >= lines.size()) {
                throw new ConversionException.CheckFailed(
                        "%s: %s".formatted(gate.task(), howItEnded(code, out, err)),
                        remedy(code, out));
            }
            JsonNode found = JSON.readTree(lines.get(i));
            var outcome =
                    new GraphGate.Outcome(
                            found.path("difference").asDouble(Double.POSITIVE_INFINITY),
                            found.path("largest").asDouble());
            if (!gate.holds(outcome)) {
                boolean same = gate.expect() == GraphGate.Expect.DIFFERENT;
                throw new ConversionException.CheckFailed(
                        "%s: %s".formatted(gate.task(), gate.failure(outcome)),
                        same
                                ? "check that the source is not the base itself, or use --no-verify"
                                : "this is a bug; please report it");
            }
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("gate", gate.expect().name().toLowerCase(java.util.Locale.ROOT));
            result.put("task", gate.task());
            result.put("maxDifference", outcome.maxDifference());
            result.put("largestOutput", outcome.largest());
            result.put("means", gate.success(outcome));
            results.add(result);
        }
        return results;
    }

    /** Never to skip the check after a crash: the graph would take its user's process down, too. */
    static String remedy(int code, String out) {
        if (code == NOT_ACCEPTED) {
            return "this is a bug of Graft or of ONNX Runtime; please report it, or use --no-verify";
        }
        return SIGNAL.matcher(out).find() || code > 128
                ? "this ONNX Runtime cannot run the graph, here or elsewhere; try another --mode or --dtype"
                : "the graph may be beyond this ONNX Runtime; try another mode, or --no-verify";
    }

    private static String howItEnded(int code, String out, String err) {
        Matcher signal = SIGNAL.matcher(out);
        if (signal.find()) { // a virtual machine that dies of a signal says which
            return "ONNX Runtime crashed (%s)".formatted(signal.group(1));
        }
        if (code == NOT_ACCEPTED) {
            return err.lines().filter(l -> !l.startsWith("WARNING")).findFirst().orElse("failed");
        }
        return code > 128
                ? "ONNX Runtime crashed (signal %d)".formatted(code - 128)
                : "its check ended with exit code %d: %s"
                        .formatted(code, err.lines().findFirst().orElse("no message"));
    }

    private static String toJson(List<GraphGate> gates) {
        ArrayNode list = JSON.createArrayNode();
        for (GraphGate gate : gates) {
            ObjectNode node =
                    list.addObject()
                            .put("task", gate.task())
                            .put("graph", gate.graph().toAbsolutePath().toString())
                            .put("reference", gate.reference().toAbsolutePath().toString())
                            .put("expect", gate.expect().name());
            gate.adapter().ifPresent(a -> node.put("adapter", a.toAbsolutePath().toString()));
            ObjectNode sizes = node.putObject("sizes");
            gate.sizes().forEach(sizes::put);
        }
        return list.toString();
    }

    private static GraphGate fromJson(JsonNode node) {
        Map<String, Integer> sizes = new TreeMap<>();
        node.path("sizes").properties().forEach(e -> sizes.put(e.getKey(), e.getValue().asInt()));
        return new GraphGate(
                node.path("task").asText(),
                Path.of(node.path("graph").asText()),
                java.util.Optional.ofNullable(node.get("adapter")).map(a -> Path.of(a.asText())),
                Path.of(node.path("reference").asText()),
                GraphGate.Expect.valueOf(node.path("expect").asText()),
                sizes);
    }

    /** The child: runs the gates of a file, and prints a line for each as soon as it is done. */
    public static void main(String[] arguments) throws IOException {
        byte[] request = Files.readAllBytes(Path.of(arguments[0]));
        for (JsonNode node : JSON.readTree(new String(request, StandardCharsets.UTF_8))) {
            try {
                GraphGate.Outcome outcome = fromJson(node).run();
                ObjectNode line = JSON.createObjectNode();
                if (Double.isFinite(outcome.maxDifference())) {
                    line.put("difference", outcome.maxDifference());
                }
                System.out.println(line.put("largest", outcome.largest()));
                System.out.flush();
            } catch (IOException e) {
                System.err.println(String.valueOf(e.getMessage()).replaceAll("\\R+", " "));
                System.exit(NOT_ACCEPTED);
            }
        }
    }
}
