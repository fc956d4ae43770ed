package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.util.HashMap;
import java.util.Map;

/** What a gate's process inherits, and what is said when it dies. */
class GateRunnerTest {
    @Test
    void optionsOfTheParentsVirtualMachineAreNotInherited() {
        var environment =
                new HashMap<>(
                        Map.of(
                                "JAVA_TOOL_OPTIONS", "-Xmx1g",
                                "JDK_JAVA_OPTIONS", "-XX:+UseParallelGC",
                                "_JAVA_OPTIONS", "-Xss1m",
                                "PATH", "/bin"));
        GateRunner.removeOptions(environment);
        assertThat(environment).containsOnlyKeys("PATH");
    }

    /** The graph would take down whoever runs it. */
    @Test
    void skippingTheCheckIsNoRemedyForACrash() {
        assertThat(GateRunner.remedy(134, "#  SIGSEGV (0xb) at pc=0x0"))
                .doesNotContain("--no-verify");
        assertThat(GateRunner.remedy(139, "")).doesNotContain("--no-verify");
        assertThat(GateRunner.remedy(1, "")).contains("--no-verify");
    }
}
