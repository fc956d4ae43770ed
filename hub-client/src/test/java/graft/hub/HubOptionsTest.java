package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/** The environment as huggingface_hub reads it. */
class HubOptionsTest {
    @TempDir Path home;

    private HubOptions from(String... pairs) {
        Map<String, String> variables = new HashMap<>(Map.of("HOME", home.toString()));
        for (int i = 0; i < pairs.length; i += 2) {
            variables.put(pairs[i], pairs[i + 1]);
        }
        return HubOptions.from(variables);
    }

    @Test
    void defaultsAreTheHubsOwn() {
        HubOptions options = from();
        assertThat(options.endpoint()).hasToString("https://huggingface.co");
        assertThat(options.cache()).isEqualTo(home.resolve(".cache/huggingface/hub"));
        assertThat(options.token()).isEmpty();
        assertThat(options.offline()).isFalse();
        assertThat(options.symlinks()).isTrue();
        assertThat(options.maxWorkers()).isEqualTo(8);
        assertThat(options.downloadTimeout()).isEqualTo(Duration.ofSeconds(10));
    }

    @ParameterizedTest
    @CsvSource({
        "XDG_CACHE_HOME, /x,               HF_NONE, '', /x/huggingface/hub",
        "HF_HOME, /h,                      XDG_CACHE_HOME, /x, /h/hub",
        "HUGGINGFACE_HUB_CACHE, /legacy,   HF_HOME, /h, /legacy",
        "HF_HUB_CACHE, /c,                 HUGGINGFACE_HUB_CACHE, /legacy, /c",
        "HF_HUB_CACHE, $DATA/${KIND}/hub,  DATA, /d, '/d/${KIND}/hub'",
    })
    void cacheIsWhereTheMostSpecialVariableSays(
            String name, String value, String other, String otherValue, Path expected) {
        assertThat(from(name, value, other, otherValue).cache()).isEqualTo(expected);
    }

    @Test
    void homeIsExpanded() {
        assertThat(from("HF_HOME", "~/hf").cache()).isEqualTo(home.resolve("hf/hub"));
    }

    @Test
    void tokenComesFromTheFirstSourceThatHasOne() throws IOException {
        Path standard = home.resolve(".cache/huggingface/token");
        Files.createDirectories(standard.getParent());
        Files.writeString(standard, "hf_standard\n");
        Path named = Files.writeString(home.resolve("named"), "  hf_named\n");
        assertThat(token()).isEqualTo("Bearer hf_standard");
        assertThat(token("HF_TOKEN_PATH", named.toString())).isEqualTo("Bearer hf_named");
        assertThat(token("HUGGING_FACE_HUB_TOKEN", "hf_old", "HF_TOKEN_PATH", named.toString()))
                .isEqualTo("Bearer hf_old");
        assertThat(token("HF_TOKEN", "hf_new\n", "HUGGING_FACE_HUB_TOKEN", "hf_old"))
                .isEqualTo("Bearer hf_new");
        assertThat(token("HF_TOKEN", "", "HUGGING_FACE_HUB_TOKEN", "hf_old"))
                .isEqualTo("Bearer hf_old");
        assertThat(from("HF_TOKEN", "hf_x", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1").token())
                .isEmpty();
    }

    private String token(String... pairs) {
        return from(pairs).token().orElseThrow().header();
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "on", "Yes", "TRUE"})
    void yesHasFourWords(String yes) {
        assertThat(from("HF_HUB_OFFLINE", yes).offline()).isTrue();
        assertThat(from("TRANSFORMERS_OFFLINE", yes).offline()).isTrue();
        assertThat(from("HF_HUB_DISABLE_SYMLINKS", yes).symlinks()).isFalse();
        assertThat(from("HF_HUB_OFFLINE", "0").offline()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({
        "HF_HUB_ETAG_TIMEOUT,     soon",
        "HF_HUB_DOWNLOAD_TIMEOUT, 0",
        "HF_ENDPOINT,             ftp://x",
        "HF_ENDPOINT,             https://user:secret@host",
        "HF_ENDPOINT,             a b",
        "HF_TOKEN,                two words",
    })
    void unusableValuesAreRefusedWithoutQuotingSecrets(String name, String value) {
        assertThatThrownBy(() -> from(name, value))
                .isInstanceOf(IllegalArgumentException.class)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("secret", "two words"));
    }

    @Test
    void endpointLosesItsSlashAndUserAgentSaysWhoAsks() {
        assertThat(from("HF_ENDPOINT", "http://hub.local:8080/").endpoint())
                .hasToString("http://hub.local:8080");
        assertThat(from("HF_HUB_USER_AGENT_ORIGIN", "ci").userAgent())
                .startsWith("graft/")
                .contains("; java/")
                .endsWith("; origin/ci");
        assertThat(from("DO_NOT_TRACK", "1").userAgent()).doesNotContain("java");
    }
}
