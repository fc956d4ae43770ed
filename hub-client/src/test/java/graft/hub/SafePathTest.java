package graft.hub;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The corpus of huggingface_hub's own tests, and what other systems add. */
class SafePathTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ".",
                "..",
                "/",
                "a/",
                "/a",
                "a//b",
                "a/./b",
                "../../../etc/passwd",
                "folder/../../../etc/passwd",
                "..\\..\\Windows\\evil",
                "folder\\..\\..\\evil",
                "/etc/passwd",
                "C:\\Windows\\System32\\evil",
                "C:/Windows/evil",
                "D:relative\\evil",
                "\\\\attacker\\share\\evil",
                "\\evil",
                "folder/C:/evil",
                "folder/\\evil",
                "a\0b",
                "a\nb",
                "con",
                "NUL.txt",
                "sub/COM1",
                "aux.tar.gz",
                "trailing.",
                "trailing /x",
                ".git/config",
                "sub/.GIT/hooks/post-checkout",
                "conin$"
            })
    void unsafeNamesAreSeen(String path) {
        assertThat(SafePath.problem(path)).isPresent();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "config.json",
                ".gitattributes",
                "sub/model-00001-of-00002.safetensors",
                "a b/ü.txt",
                "..hidden",
                "console.txt",
                "a...b",
                "%2e%2e/x",
                ".gitignore",
                "nullable.py"
            })
    void honestNamesPass(String path) {
        assertThat(SafePath.problem(path)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "acme/llama@..", "acme/llama@refs/pr/../1", "acme/llama/C:/x", "acme/x.git",
                "acme/llama@a%2F..%2Fb", "acme/llama/.git/x", "datasets/acme/llama", "spaces/a/b/c"
            })
    void referencesCannotSmuggleThemIn(String text) {
        assertThat(RepoRef.parse(text)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"acme/llama@refs/pr/1", "acme/llama@feature%2Fx/sub"})
    void revisionsWithSlashesComeBackAsTheyWere(String text) {
        assertThat(RepoRef.parse(text)).map(RepoRef::toString).contains(text);
    }
}
