package graft.formats.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;

class StagedOutputTest {
    @TempDir Path folder;

    @Test
    void nothingIsLeftWithoutCommit() throws IOException {
        try (var staged = StagedOutput.folder(folder.resolve("out"), false)) {
            Files.createDirectories(staged.path().resolve("deep/er"));
            Files.writeString(staged.path().resolve("deep/er/file"), "half");
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void finalNameAppearsAtCommitOnly() throws IOException {
        Path out = folder.resolve("new/out");
        try (var staged = StagedOutput.folder(out, false)) {
            Files.writeString(staged.path().resolve("file"), "whole");
            assertThat(out).doesNotExist();
            staged.commit();
        }
        assertThat(out.resolve("file")).hasContent("whole");
        assertThat(folder.resolve("new")).isDirectoryContaining("glob:**/out");
        assertThat(folder.resolve("new")).isDirectoryNotContaining("glob:**.partial");
    }

    @Test
    void existingOutputIsRefusedAndKept() throws IOException {
        Path out = Files.writeString(folder.resolve("out"), "precious");
        assertThatThrownBy(() -> StagedOutput.folder(out, false).close())
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThat(out).hasContent("precious");
    }

    @Test
    void replacedOutputIsTheOldOneUntilCommit() throws IOException {
        Path out = Files.createDirectory(folder.resolve("out"));
        Files.writeString(out.resolve("old"), "old");
        try (var staged = StagedOutput.folder(out, true)) {
            Files.writeString(staged.path().resolve("new"), "new");
            assertThat(out.resolve("old")).exists();
            staged.commit();
        }
        assertThat(out.resolve("new")).exists();
        assertThat(out.resolve("old")).doesNotExist();
        assertThat(folder).isDirectoryNotContaining("glob:**.partial");
    }
}
