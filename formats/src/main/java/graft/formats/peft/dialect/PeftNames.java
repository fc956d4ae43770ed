package graft.formats.peft.dialect;

import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * peft's own: {@code base_model.model.MODULE.lora_A.weight}, and the leftovers of wrappers that
 * some trainers save with it ({@code module.}, {@code _orig_mod.}, {@code .default.}, …).
 */
public final class PeftNames implements Dialect {
    private static final String PREFIX = "base_model.";
    private static final String MODEL = "model.";

    /** DistributedDataParallel, torch.compile, FSDP. */
    private static final List<String> WRAPPERS =
            List.of(
                    "module.",
                    "_orig_mod.",
                    "_fsdp_wrapped_module.",
                    "_checkpoint_wrapped_module.");

    private static final Set<String> ROLES =
            Set.of(
                    "lora_A",
                    "lora_B",
                    "lora_E",
                    "lora_embedding_A",
                    "lora_embedding_B",
                    "lora_magnitude_vector",
                    "hada_w1_a",
                    "hada_w1_b",
                    "hada_w2_a",
                    "hada_w2_b",
                    "hada_t1",
                    "hada_t2",
                    "lokr_w1",
                    "lokr_w1_a",
                    "lokr_w1_b",
                    "lokr_w2",
                    "lokr_w2_a",
                    "lokr_w2_b",
                    "lokr_t2",
                    "ia3_l",
                    "vera_A",
                    "vera_B",
                    "vera_lambda_b",
                    "vera_lambda_d");

    @Override
    public String word() {
        return "peft";
    }

    @Override
    public boolean claims(String tensor) {
        return unwrap(tensor).startsWith(PREFIX);
    }

    @Override
    public Optional<TensorRole> parse(String tensor) {
        return inner(tensor)
                .flatMap(inner -> {
                    Optional<TensorRole> factor = factor(inner.path());
                    return factor.isPresent() || !inner.inModel() ? factor : whole(inner.path());
                });
    }

    /**
     * The name under which {@code save_pretrained} would have written a tensor. peft itself ignores
     * tensors whose names still have wrappers or {@code .default} in them.
     *
     * @return {@code tensor} itself if it is no name of this dialect
     */
    public static String canonical(String tensor) {
        return inner(tensor)
                .map(inner -> (inner.inModel() ? PREFIX + MODEL : PREFIX) + clean(inner.path()))
                .orElse(tensor);
    }

    private static String clean(String path) {
        if (factor(path).isEmpty()) {
            String saved = saved(path);
            String rows = "." + TensorRole.ROWS + ".default";
            return saved.endsWith(rows) ? without(saved, ".default") : saved;
        }
        for (String ending : List.of(".weight", ".bias")) {
            if (path.endsWith(ending)) {
                return without(without(path, ending), ".default") + ending;
            }
        }
        return without(path, ".default");
    }

    /**
     * A name without prefix and wrappers.
     *
     * @param inModel whether it was below {@code base_model.model.}
     */
    private record Inner(boolean inModel, String path) {}

    private static Optional<Inner> inner(String tensor) {
        String path = unwrap(tensor);
        if (!path.startsWith(PREFIX)) {
            return Optional.empty();
        }
        path = unwrap(path.substring(PREFIX.length()));
        boolean inModel = path.startsWith(MODEL);
        path = inModel ? unwrap(path.substring(MODEL.length())) : path;
        for (String wrapper : WRAPPERS.subList(1, WRAPPERS.size())) {
            path = path.replace("." + wrapper, ".");
        }
        return Optional.of(new Inner(inModel, path));
    }

    private static String unwrap(String name) {
        for (String wrapper : WRAPPERS) {
            if (name.startsWith(wrapper)) {
                return unwrap(name.substring(wrapper.length()));
            }
        }
        return name;
    }

    /** {@code MODULE.ROLE}, perhaps with {@code .default}, {@code .weight} or both behind. */
    private static Optional<TensorRole> factor(String path) {
        String rest = path;
        boolean isBias = rest.endsWith(".bias");
        rest = without(rest, isBias ? ".bias" : ".weight");
        rest = without(rest, ".default");
        int dot = rest.lastIndexOf('.');
        String role = rest.substring(dot + 1);
        String module = dot < 0 ? "" : rest.substring(0, dot);
        if (role.equals("lora_velora_embed")) {
            return Optional.of(new TensorRole(module, TensorRole.IGNORED));
        }
        if (isBias) {
            return role.equals("lora_B")
                    ? Optional.of(new TensorRole(module, "lora_B.bias"))
                    : Optional.empty();
        }
        return ROLES.contains(role) ? Optional.of(new TensorRole(module, role)) : Optional.empty();
    }

    private static Optional<TensorRole> whole(String path) {
        if (path.contains(".lora_")) {
            return Optional.empty(); // some factor that is not understood
        }
        if (path.contains(".original_module.")) {
            return Optional.of(new TensorRole(path, TensorRole.IGNORED));
        }
        String rows = without(without(path, ".default"), "." + TensorRole.ROWS);
        if (!rows.equals(without(path, ".default"))) {
            return Optional.of(new TensorRole(without(rows, ".token_adapter"), TensorRole.ROWS));
        }
        String saved = saved(path);
        String role = TensorRole.WHOLE;
        for (String word : List.of(TensorRole.NORM, TensorRole.BASE_LAYER)) {
            String infix = "." + word + ".";
            if (saved.contains(infix)) {
                saved = saved.replace(infix + "default.", ".").replace(infix, ".");
                role = word;
            }
        }
        return Optional.of(new TensorRole(saved, role));
    }

    /** The name that a tensor of {@code modules_to_save} has in the base. */
    private static String saved(String path) {
        return path.replace(".modules_to_save.default.", ".").replace(".modules_to_save.", ".");
    }

    private static String without(String name, String ending) {
        return name.endsWith(ending) ? name.substring(0, name.length() - ending.length()) : name;
    }

    @Override
    public ModulePath locate(String module) {
        return new ModulePath("", module, false);
    }
}
