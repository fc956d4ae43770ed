package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.time.Duration;
import java.util.List;

/** Patterns; the expectations are what Python's fnmatch.fnmatchcase answers. */
class FileFilterTest {
    @ParameterizedTest
    @CsvSource({
        "*.safetensors,  model.safetensors,      true",
        "*.safetensors,  sub/model.safetensors,  true",
        "*.safetensors,  model.safetensors.json, false",
        "model-0000?-*,  model-00002-of-3,       true",
        "model-0000?-*,  model-00012-of-3,       false",
        "[mc]*.json,     config.json,            true",
        "[!mc]*.json,    config.json,            false",
        "[a-d]*.json,    config.json,            true",
        "sub/,           sub/x/y,                true",
        "sub/,           subs/x,                 false",
        "[x,             '[x',                   true",
        "a**b,           a/x/b,                  true",
        "CONFIG.json,    config.json,            false",
        "[]]x,           ]x,                     true",
        "*,              '',                     true",
    })
    void patternsAreFnmatchs(String pattern, String path, boolean expected) {
        assertThat(FileFilter.matches(pattern, path)).isEqualTo(expected);
    }

    @Test
    void manyStarsStayCheap() {
        String pattern = "*a".repeat(200) + "b";
        assertThat(Duration.ofSeconds(2))
                .isGreaterThan(timed(() -> FileFilter.matches(pattern, "a".repeat(4000))));
    }

    private static Duration timed(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return Duration.ofNanos(System.nanoTime() - start);
    }

    @Test
    void excludeWinsAndWhatChoosesNothingIsTold() {
        var filter = new FileFilter(List.of(), List.of("*.json", "*.gguf"), List.of("old/*"));
        assertThat(filter.accepts("a.json")).isTrue();
        assertThat(filter.accepts("old/a.json")).isFalse();
        assertThat(filter.accepts("a.bin")).isFalse();
        assertThat(filter.unmatched(List.of("a.json"))).containsExactly("*.gguf");
        assertThat(FileFilter.names(List.of("a", "[x]")).unmatched(List.of("a", "x")))
                .containsExactly("[x]");
        assertThatThrownBy(() -> new FileFilter(List.of("a"), List.of("*"), List.of()))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
