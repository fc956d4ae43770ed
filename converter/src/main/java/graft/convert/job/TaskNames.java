package graft.convert.job;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Folder names for sources: the last part of what the user typed. */
final class TaskNames {
    /** Names that a conversion folder uses itself. */
    private static final Set<String> RESERVED =
            Set.of("merged", "onnx", "graft.json", "", ".", "..");

    private TaskNames() {}

    /**
     * @param clashes gets a line for every name that had to be numbered
     */
    static List<String> of(List<ConvertRequest.Source> sources, List<String> clashes) {
        Map<String, Integer> used = new HashMap<>();
        Set<String> taken = new HashSet<>(RESERVED);
        List<String> names = new ArrayList<>();
        for (ConvertRequest.Source source : sources) {
            String name = plain(source);
            String unique = name;
            while (!taken.add(unique.toLowerCase(Locale.ROOT))) { // some disks ignore case
                unique = name + "-" + used.merge(name, 2, (count, _) -> count + 1);
            }
            if (!unique.equals(name)) {
                clashes.add("%s goes to %s/: the name is taken".formatted(source.source(), unique));
            }
            names.add(unique);
        }
        return names;
    }

    private static String plain(ConvertRequest.Source source) {
        Path last = source.path().toAbsolutePath().normalize().getFileName();
        String typed = source.source().replaceAll("[/\\\\]+$", "").replaceFirst("@[^/]*", "");
        String name = typed.substring(typed.lastIndexOf('/') + 1);
        if (name.isEmpty() || name.startsWith(".")) {
            name = last == null ? "model" : last.toString();
        }
        String safe = name.replaceFirst("\\.safetensors$", "").replaceAll("[^A-Za-z0-9._-]", "_");
        return safe.isEmpty() || safe.startsWith(".") ? "model" + safe.replace(".", "_") : safe;
    }
}
