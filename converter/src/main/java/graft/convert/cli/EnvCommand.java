package graft.convert.cli;

import graft.hub.HubOptions;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;

@Command(name = "env", description = "Print versions and settings, to paste into a bug report.")
final class EnvCommand implements Callable<Integer> {
    private static final List<String> VARIABLES =
            List.of("GRAFT_JAVA_OPTS", "GRAFT_DEBUG", "HF_HUB_DISABLE_PROGRESS_BARS", "NO_COLOR");

    @Mixin CommonOptions common = new CommonOptions();

    @Override
    public Integer call() {
        var printer = common.printer();
        Map<String, String> values = values();
        values.forEach((name, value) -> printer.human("%-30s %s".formatted(name, value)));
        printer.document(() -> Json.object(values));
        return ExitCodes.DONE;
    }

    private Map<String, String> values() {
        Map<String, String> values = new TreeMap<>();
        values.put("graft", Versions.graft());
        values.put("java", ProcessHandle.current().info().command().orElse("(unknown)"));
        values.put("jdk", Runtime.version().toString());
        values.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        values.put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
        values.put("heap limit", "%d MiB".formatted(Runtime.getRuntime().maxMemory() >> 20));
        HubOptions hub = HubSession.options(common.network);
        values.put("hub endpoint", hub.endpoint().toString());
        values.put("hub cache", hub.cache().toString());
        values.put("hub token", hub.token().isPresent() ? "set" : "not set");
        values.put("hub offline", Boolean.toString(hub.offline()));
        for (String variable : VARIABLES) {
            String value = System.getenv(variable);
            values.put(variable, value == null ? "(not set)" : value);
        }
        return values;
    }
}
