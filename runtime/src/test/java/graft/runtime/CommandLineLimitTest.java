package graft.runtime;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.io.IOException;

class CommandLineLimitTest {
    @Test
    void longCommandLineIsRefusedBeforeItCrashesTheProcess() {
        assertThatCode(() -> CommandLineLimit.check(3_000)).doesNotThrowAnyException();
        assertThatThrownBy(() -> CommandLineLimit.check(5_000))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("has 5000 bytes")
                .hasMessageContaining("CLASSPATH");
    }
}
