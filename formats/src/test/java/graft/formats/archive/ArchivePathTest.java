package graft.formats.archive;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.List;

class ArchivePathTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "/etc/passwd",
                "../x",
                "a/../../x",
                "a/..",
                "..",
                ".",
                "a//b",
                "a/",
                "./a",
                "C:/x",
                "a\\..\\b",
                "a\nb",
                "a\0b",
                "\ud800"
            })
    void pathsThatLeaveTheFolderAreRefused(String path) {
        assertThat(ArchivePath.problem(path)).isPresent();
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "a/b/c.json", "..a/b..", "a/...", "models/größe 3/x:y", "-rf"})
    void ordinaryPathsAreNot(String path) {
        assertThat(ArchivePath.problem(path)).isEmpty();
    }

    @Test
    void namesLongerThanAFileSystemTakesAreRefused() {
        assertThat(ArchivePath.problem("a/" + "x".repeat(255))).isEmpty();
        assertThat(ArchivePath.problem("a/" + "x".repeat(256))).isPresent();
        assertThat(ArchivePath.problem("x/".repeat(3000) + "x")).isPresent();
    }

    @Test
    void filesThatWouldOverwriteEachOtherAreRefused() {
        assertThat(ArchivePath.conflict(List.of("a/b", "a/c", "ab"))).isEmpty();
        assertThat(ArchivePath.conflict(List.of("a/b", "a/B"))).isPresent();
        assertThat(ArchivePath.conflict(List.of("a/b/c", "a/b"))).isPresent();
    }
}
