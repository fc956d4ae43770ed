package graft.convert.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The forms that every verb shares. */
class CommandLineIT {
    @TempDir Path folder;

    @Test
    void versionNamesGraftAndTheJdk() throws Exception {
        var result = new GraftProcess(folder).run("--version");
        assertThat(result.code()).isZero();
        assertThat(result.out()).contains("graft 0.", "JDK 25");
    }

    @ParameterizedTest
    @CsvSource({
        "inspct,  unknown command 'inspct', inspect",
        "reduec,  unknown command 'reduec', reduce",
        "--jsn,   unknown option '--jsn',   lists options",
    })
    void unknownWordsGetASuggestion(String word, String problem, String help) throws Exception {
        var result = new GraftProcess(folder).run(word);
        assertThat(result.code()).isEqualTo(2);
        assertThat(result.errorLine()).isEqualTo("graft: " + problem);
        assertThat(result.helpLine()).contains(help);
        assertThat(result.out()).isEmpty();
    }

    /** Each before a file is looked for. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            textBlock =
                    """
                    reduce a -o x;missing one of --rank, --energy;lists options
                    reduce a --rank 4 --energy 0.9 -o x;--rank=N, --energy=F are mutually;lists options
                    sparsify a --base b --layout bits -o x;--layout bits;takes delta or sparse-bitmask
                    export a --mode slot -o x;--mode slot;one of merged, shared, slots, sparse-slots
                    export a --dtype int8 -o x;--dtype int8;one of float32, float16, bfloat16
                    completion fish;unexpected argument;bash, zsh
                    extract a --base b --max_rank 4 -o x;unknown option;--max-rank
                    sparsify a --base b --size 9kB --layout sparse-bitmask -o x;--size counts;--density
                    merge a --base b --method ties --merge-density 2 -o x;--merge-density 2.0 is;0.2
                    merge a --base b --gamma 0.1 -o x;--gamma has no effect;for breadcrumbs
                    merge a --base b --method mean --weight 1 -o x;--weight has no effect;leave it out
                    sweep a --base b --merge-density 0.2;--merge-density has no effect;ties
                    """)
    void optionsThatCannotBeMeantAreSaid(String command, String problem, String help)
            throws Exception {
        var result = new GraftProcess(folder).run((Object[]) command.split(" "));
        assertThat(result.code()).as(result.err()).isEqualTo(2);
        assertThat(result.errorLine()).startsWith("graft: " + problem);
        assertThat(result.helpLine()).contains(help);
    }

    @Test
    void namesOfOtherToolsAreUnderstood() throws Exception {
        var result = new GraftProcess(folder).run("reduce", "a", "--new_rank", "4", "-o", "x");
        assertThat(result.code()).isEqualTo(2);
        assertThat(result.helpLine()).contains("did you mean '--rank'?");
    }

    @Test
    void missingInputIs66AndLeavesNothing() throws Exception {
        var result = new GraftProcess(folder).run("reduce", "nowhere", "--rank", "4", "-o", "out");
        assertThat(result.code()).isEqualTo(66);
        assertThat(result.errorLine()).isEqualTo("graft: nowhere: no such file or folder");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void jsonErrorIsOneDocument() throws Exception {
        var result = new GraftProcess(folder).run("inspect", "nowhere", "--json");
        assertThat(result.code()).isEqualTo(66);
        JsonNode error = json(result.out()).get("error");
        assertThat(error.get("code").asInt()).isEqualTo(66);
        assertThat(error.get("kind").asText()).isEqualTo("not-found");
    }

    @Test
    void noSuitableJdkIs69AndSaysWhatWasFound() throws Exception {
        Path jdk = folder.resolve("jdk");
        Files.createDirectories(jdk.resolve("bin"));
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\n");
        Path java = Files.writeString(jdk.resolve("bin/java"), "#!/bin/sh\nexit 99\n");
        assertThat(java.toFile().setExecutable(true)).isTrue();
        // The probe lists this JDK as found and unfit, and goes on to the one that runs the tests.
        var environment = Map.of("GRAFT_JAVA_HOME", jdk.toString());
        var result = new GraftProcess(folder, environment).run("--version");
        assertThat(result.code()).isZero();
        assertThat(result.out()).contains("JDK 25");
    }

    @Test
    void missingOpenBlasIsNotThereButIsSaidWhyAndEjmlTakesOver() throws Exception {
        var options = "-Dorg.bytedeco.javacpp.platform=nowhere-x86";
        var graft = new GraftProcess(folder, Map.of("GRAFT_JAVA_OPTS", options));
        Path adapter = GraftProcess.testdata("families/mini/lora-pos");
        var forced =
                graft.run("reduce", adapter, "--rank", "4", "--kernel", "openblas", "-o", "out");
        assertThat(forced.code()).isEqualTo(69);
        assertThat(forced.err())
                .contains("OpenBLAS does not load here: no jniopenblas")
                .doesNotContain("Could not initialize class");
        assertThat(graft.run("reduce", adapter, "--rank", "4", "-o", "out").code()).isZero();
    }

    @Test
    void helpTopicsExist() throws Exception {
        for (String topic : new String[] {"exit-codes", "environment", "formats", "reduce"}) {
            var result = new GraftProcess(folder).run("help", topic);
            assertThat(result.code()).as(topic).isZero();
            assertThat(result.out().lines().count()).as(topic).isGreaterThan(3);
        }
    }

    static JsonNode json(String text) throws IOException {
        return new ObjectMapper().readTree(text);
    }
}
