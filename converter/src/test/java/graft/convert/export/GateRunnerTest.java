package graft.convert.export;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.util.HashMap;
import java.util.Map;

/** What a gate's process inherits. */
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
}
