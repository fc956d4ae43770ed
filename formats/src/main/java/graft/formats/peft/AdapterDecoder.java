package graft.formats.peft;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.peft.dialect.Dialect;
import graft.formats.peft.dialect.TensorRole;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;

/** Names and shapes of an adapter's tensors → what it changes. */
final class AdapterDecoder {
    /** Layers that are saved whole when tokens were added, by their names in popular models. */
    private static final Set<String> VOCABULARY =
            Set.of(
                    "embed_tokens",
                    "lm_head",
                    "wte",
                    "word_embeddings",
                    "embed_in",
                    "embed_out",
                    "tok_embeddings",
                    "shared");

    private final AdapterWeights weights;
    private final Dialect dialect;
    private final ConfigByComponent configs;
    private final Map<String, Map<String, TensorInfo>> modules = new TreeMap<>();
    private final Map<String, Whole> wholes = new TreeMap<>();
    private final List<TensorInfo> read = new ArrayList<>();

    /** A tensor that replaces the base's, and why. */
    private record Whole(TensorRole role, TensorInfo info) {}

    AdapterDecoder(AdapterWeights weights, Dialect dialect, ConfigByComponent configs) {
        this.weights = weights;
        this.dialect = dialect;
        this.configs = configs;
    }

    /** Bytes of tensor data that had to be read: kohya's scales are tensors, biases have twins. */
    long dataBytes() {
        return read.stream().mapToLong(TensorInfo::bytes).sum();
    }

    /** All changes; those that replace come first, then by name. */
    List<AdapterChange> decode() throws IOException {
        sort();
        List<AdapterChange> changes = new ArrayList<>();
        for (Whole whole : wholes.values()) {
            changes.add(whole(whole));
        }
        @Nullable Map<String, TensorInfo> shared = modules.remove("");
        for (var module : modules.entrySet()) {
            var tensors = new ModuleTensors(module.getKey(), weights, module.getValue());
            changes.add(change(tensors, shared));
            tensors.checkAllTaken();
        }
        if (changes.isEmpty()) {
            throw new MalformedFileException(weights.spot(), "holds nothing that changes a base");
        }
        changes.sort(
                Comparator.comparing((AdapterChange change) -> !(change instanceof ReplacedTensor))
                        .thenComparing(AdapterChange::name)
                        .thenComparing(change -> change.tensors().getFirst().name()));
        return List.copyOf(changes);
    }

    private void sort() throws IOException {
        for (TensorInfo info : weights.source().tensors()) {
            TensorRole role =
                    dialect.parse(info.name())
                            .orElseThrow(() ->
                                    new UnsupportedFeatureException(
                                            weights.spot(info),
                                            "is nothing that Graft knows of in a %s adapter"
                                                    .formatted(dialect.word()),
                                            "merge the adapter into its base with the tool that made it"));
            switch (role.role()) {
                case TensorRole.IGNORED -> {}
                case TensorRole.WHOLE, TensorRole.BASE_LAYER, TensorRole.NORM -> {
                    Whole twin = wholes.putIfAbsent(role.module(), new Whole(role, info));
                    if (twin != null && !isTwin(twin.info(), info)) {
                        throw second(role, twin.info(), info);
                    }
                }
                default -> {
                    var module = modules.computeIfAbsent(role.module(), _ -> new HashMap<>());
                    TensorInfo before = module.put(role.role(), info);
                    if (before != null) {
                        throw second(role, before, info);
                    }
                }
            }
        }
    }

    /** With {@code bias="all"} peft saves the bias of a saved module under two names. */
    private boolean isTwin(TensorInfo one, TensorInfo other) {
        boolean alike = one.shape().equals(other.shape()) && one.dtype() == other.dtype();
        if (!alike || !one.name().endsWith(".bias")) {
            return false;
        }
        read.add(one);
        read.add(other);
        return weights.source().bytes(one.name()).mismatch(weights.source().bytes(other.name()))
                == -1;
    }

    private MalformedFileException second(TensorRole role, TensorInfo before, TensorInfo now) {
        return new MalformedFileException(
                weights.spot(now),
                "is %s of %s as %s is"
                        .formatted(
                                role.role(),
                                FileSpot.quote(role.module()),
                                FileSpot.quote(before.name())));
    }

    private ReplacedTensor whole(Whole whole) throws IOException {
        String name = whole.role().module();
        AdapterConfig config = configs.only();
        String module = name.contains(".") ? name.substring(0, name.lastIndexOf('.')) : "";
        boolean expected =
                switch (whole.role().role()) {
                    case TensorRole.NORM -> config.type() == PeftType.LN_TUNING;
                    case TensorRole.BASE_LAYER ->
                            modules.containsKey(module)
                                    || (config.savesBiases() && name.endsWith(".bias"));
                    default ->
                            isIn(config.modulesToSave(), name)
                                    || (config.savesBiases() && name.endsWith(".bias"))
                                    || VOCABULARY.contains(
                                            module.substring(module.lastIndexOf('.') + 1));
                };
        if (!expected) {
            throw new UnsupportedFeatureException(
                    weights.spot().tensor(whole.info().name()),
                    "is no part of a %s adapter and not in modules_to_save"
                            .formatted(config.type()),
                    "merge the adapter into its base with PEFT first");
        }
        return new ReplacedTensor(name, whole.info());
    }

    private static boolean isIn(List<String> modules, String tensor) {
        String path = "." + tensor + ".";
        return modules.stream().anyMatch(module -> path.contains("." + module + "."));
    }

    private AdapterChange change(ModuleTensors tensors, @Nullable Map<String, TensorInfo> shared)
            throws IOException {
        var path = dialect.locate(tensors.module());
        AdapterConfig config = configs.of(path.component());
        if (tensors.has(TensorRole.ROWS)) {
            return rows(tensors, config);
        }
        var dense = new DenseDecoder(config);
        return switch (config.type()) {
            case LORA ->
                    new LoraDecoder(config, configs.isAuthority(path.component()))
                            .decode(tensors, path.path(), alpha(tensors));
            case ADALORA -> dense.adaLora(tensors);
            case LOHA -> dense.loHa(tensors);
            case LOKR -> dense.loKr(tensors);
            case IA3 -> dense.ia3(tensors);
            case VERA -> {
                if (shared == null) {
                    throw new MalformedFileException(
                            weights.spot(), "has no vera_A and vera_B, which all modules share");
                }
                var projections = new ModuleTensors("", weights, shared);
                yield dense.vera(
                        tensors, projections.matrix("vera_A"), projections.matrix("vera_B"));
            }
            case LN_TUNING, TRAINABLE_TOKENS -> {
                tensors.checkAllTaken();
                throw new IllegalStateException(tensors.module());
            }
        };
    }

    private static ReplacedRows rows(ModuleTensors tensors, AdapterConfig config)
            throws IOException {
        TensorInfo rows = tensors.matrix(TensorRole.ROWS);
        List<Integer> tokens = config.tokens(tensors.module());
        if (rows.shape().extent(0) != tokens.size()) {
            throw tensors.problem(
                    rows, "shape %s for %d tokens".formatted(rows.shape(), tokens.size()));
        }
        return new ReplacedRows(tensors.module(), tokens, rows);
    }

    /** α of one module; sd-scripts takes 0 for the rank. */
    private OptionalDouble alpha(ModuleTensors tensors) throws IOException {
        TensorInfo info = tensors.find(TensorRole.ALPHA);
        if (info == null) {
            return OptionalDouble.empty();
        }
        if (info.shape().elements() != 1) {
            throw tensors.problem(info, "shape %s is no number".formatted(info.shape()));
        }
        read.add(info);
        float[] value = new float[1];
        Elements.widen(info.dtype(), weights.source().bytes(info.name()), 0, value, 0, 1);
        if (!Float.isFinite(value[0])) {
            throw tensors.problem(info, "is " + value[0]);
        }
        return value[0] == 0 ? OptionalDouble.empty() : OptionalDouble.of(value[0]);
    }
}
