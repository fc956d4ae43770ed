package graft.formats;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Opens files made to exhaust a reader in a JVM with 256 MB of heap. */
class HostileInputsTest {
    /** The bound to keep is one second on an idle machine; this one only catches explosions. */
    private static final long MOST_MILLIS = 10_000;

    @TempDir Path folder;

    @Test
    void nothingTakesLongOrMuchHeap() throws Exception {
        var make = new HostileInputs(folder);
        Map<Path, String> expected = new LinkedHashMap<>();
        expected.put(make.tensors("hundred-thousand", 100_000, 1, 1), "accepted/100000");
        expected.put(make.tensors("one-range", 100_000, 8, 0), "safetensors/bad_offset");
        expected.put(make.tensors("one-range-million", 1_500_000, 8, 0), "safetensors/bad_offset");
        expected.put(make.tensors("no-bytes", 1_500_000, 0, 0), "safetensors/too_many_tensors");
        expected.put(
                make.announcedHeader("ten-million", 580_000_000), "safetensors/header_too_large");
        expected.put(make.announcedHeader("zeros", 100_000_000), "safetensors/bad_json");
        expected.put(make.filledHeader("spaces", "{", ' ', "}"), "accepted/0");
        expected.put(
                make.filledHeader("nesting", "{\"x\":{\"y\":", '[', ""), "safetensors/bad_json");
        expected.put(make.filledHeader("name", "{\"", 'n', "\":0}"), "safetensors/bad_json");
        expected.put(
                make.filledHeader("value", "{\"__metadata__\":{\"k\":\"", 'v', "\"}}"),
                "safetensors/bad_json");
        expected.put(
                make.filledHeader("digits", "{\"x\":{\"shape\":[", '9', "]}}"),
                "safetensors/bad_json");
        expected.put(make.pickle("dicts", "", "}", "."), "pickle/bad_structure");
        expected.put(make.pickle("marks", "", "(", "."), "pickle/depth_limit");
        expected.put(make.pickle("nested", "", "]a", "."), "pickle/bad_pickle");
        expected.put(
                make.pickle("numbers", "(", "J\u0001\u0002\u0003\u0004", "t."),
                "pickle/bad_structure");
        expected.put(make.pickle("tuples", ")", "\u0085", "."), "pickle/bad_structure");
        expected.put(
                make.pickle("pairs", ")q\u0000", "h\u0000h\u0000\u0086q\u0000", "."),
                "pickle/bad_structure");
        expected.put(
                make.pickle("doubling", "]q\u0000", "](h\u0000h\u0000eq\u0000", "."),
                "pickle/bad_structure");
        List<String> lines = open(expected.keySet());
        List<String> outcomes = new ArrayList<>();
        int at = 0;
        for (Path file : expected.keySet()) {
            assertThat(lines).as("the child died at " + file).hasSizeGreaterThan(at);
            String[] line = lines.get(at++).split(" ");
            System.out.printf("%-32s %-30s %5s ms CPU%n", file.getFileName(), line[0], line[1]);
            assertThat(Long.parseLong(line[1])).as(file.toString()).isLessThan(MOST_MILLIS);
            outcomes.add(line[0]);
        }
        assertThat(outcomes).containsExactlyElementsOf(expected.values());
    }

    private List<String> open(Iterable<Path> files) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx256m");
        command.add("-XX:+UseSerialGC");
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(OpenInChild.class.getName());
        files.forEach(file -> command.add(file.toString()));
        Process child =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try (var out = child.inputReader()) {
            List<String> lines = out.lines().toList();
            assertThat(child.waitFor(5, TimeUnit.MINUTES)).isTrue();
            return lines;
        } finally {
            child.destroyForcibly();
        }
    }
}
