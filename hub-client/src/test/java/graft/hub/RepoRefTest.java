package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.Optional;

class RepoRefTest {
    @ParameterizedTest
    @CsvSource({
        "acme/llama,                        acme, llama,  '',      ''",
        "acme/llama-3.2@main,               acme, llama-3.2, main, ''",
        "hf://acme/llama@3f9c2e1/sub/dir,   acme, llama,  3f9c2e1, sub/dir",
        "hf://models/acme/llama/,           acme, llama,  '',      ''",
        "acme/llama/adapter/,               acme, llama,  '',      adapter",
    })
    void partsAreFound(String text, String owner, String name, String revision, String folder) {
        var expected =
                new RepoRef(owner, name, Optional.of(revision).filter(r -> !r.isEmpty()), folder);
        assertThat(RepoRef.parse(text)).contains(expected);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "llama",
                "/acme/llama",
                "acme/",
                "acme/../etc",
                "acme/llama/../../etc",
                "-acme/llama",
                "acme/lla--ma",
                "acme/llama@",
                "acme/lla ma",
                "https://host/acme/llama",
            })
    void otherTextIsNoReference(String text) {
        assertThat(RepoRef.parse(text)).isEmpty();
    }

    @Test
    void printsItsShortForm() {
        assertThat(RepoRef.parse("hf://acme/llama@v1/sub/"))
                .map(RepoRef::toString)
                .contains("acme/llama@v1/sub");
    }
}
