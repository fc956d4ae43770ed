package graft.convert.apply;

import graft.formats.peft.dialect.ModulePath;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Finds an adapter's modules among the tensors of a base. Exact names come first; then the only
 * name that ends in the module's, or that the module's ends in, since models and checkpoints differ
 * in prefixes. Where dots became underscores, the base's own names tell which. Immutable.
 */
final class BaseNames {
    private static final String WEIGHT = ".weight";

    private final TensorSource base;
    private final Map<String, List<TensorInfo>> byLastPart = new HashMap<>();
    private final Map<String, List<TensorInfo>> folded = new HashMap<>();

    BaseNames(TensorSource base) {
        this.base = base;
        for (TensorInfo info : base.tensors()) {
            byLastPart.computeIfAbsent(ending(info.name()), _ -> new ArrayList<>()).add(info);
            if (info.name().endsWith(WEIGHT)) {
                String module = info.name().substring(0, info.name().length() - WEIGHT.length());
                folded.computeIfAbsent(fold(module), _ -> new ArrayList<>()).add(info);
            }
        }
    }

    /** The weight of a module: none, one, or those between which nothing decides. */
    List<TensorInfo> weight(ModulePath module) {
        if (!module.isFolded()) {
            return tensor(module.path() + WEIGHT);
        }
        List<TensorInfo> exact = folded.getOrDefault(module.path(), List.of());
        if (!exact.isEmpty()) {
            return exact;
        }
        List<TensorInfo> longer = new ArrayList<>();
        for (var entry : folded.entrySet()) {
            if (entry.getKey().endsWith("_" + module.path())) {
                for (TensorInfo info : entry.getValue()) {
                    int end = info.name().length() - WEIGHT.length();
                    if (info.name().charAt(end - module.path().length() - 1) == '.') {
                        longer.add(info);
                    }
                }
            }
        }
        return longer;
    }

    /** The tensor of a name: none, one, or those between which nothing decides. */
    List<TensorInfo> tensor(String name) {
        var exact = base.find(name);
        if (exact.isPresent()) {
            return List.of(exact.get());
        }
        return byLastPart.getOrDefault(ending(name), List.of()).stream()
                .filter(info ->
                        info.name().endsWith("." + name) || name.endsWith("." + info.name()))
                .toList();
    }

    private static String fold(String module) {
        return module.replace('.', '_');
    }

    /** The last two parts of a name, which similar names share. */
    private static String ending(String name) {
        int last = name.lastIndexOf('.');
        int before = last < 0 ? -1 : name.lastIndexOf('.', last - 1);
        return name.substring(before + 1);
    }
}
