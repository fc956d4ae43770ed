package graft.convert.reduce;

import graft.convert.ConversionException;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.Factor;
import graft.convert.lowrank.Operand;
import graft.convert.lowrank.Stack;
import graft.convert.plan.InputHashes;
import graft.formats.FileSpot;
import graft.formats.UnsupportedFeatureException;
import graft.formats.peft.AdapterChange;
import graft.formats.peft.AdapterConfig;
import graft.formats.peft.AdapterProfile;
import graft.formats.peft.DenseChange;
import graft.formats.peft.LoraModule;
import graft.formats.peft.LoraParameter;
import graft.formats.peft.PeftAdapter;
import graft.formats.peft.ReplacedRows;
import graft.formats.peft.ReplacedTensor;
import graft.formats.peft.WholeTensor;
import graft.formats.peft.dialect.KohyaNames;
import graft.formats.peft.dialect.ModulePath;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Adapters of one base as one: {@code ΔW = Σ wᵢ·sᵢ·BᵢAᵢ}, exactly, its factors being those of the
 * adapters side by side. Adding A and B separately, as other tools do, is another ΔW. Nothing is
 * copied; views die with {@link #close}.
 */
final class AdapterSum implements AutoCloseable {
    private static final String BASE_LAYER = ".base_layer";

    /** One adapter's share of one module. */
    private record Term(ReduceRequest.Source source, PeftAdapter adapter, LoraModule module) {}

    private final List<ReduceRequest.Source> sources;
    private final List<PeftAdapter> adapters;
    private final Arena arena;

    @SuppressWarnings("MustBeClosedChecker") // closed with this
    private AdapterSum(List<ReduceRequest.Source> sources, List<PeftAdapter> adapters) {
        this.sources = sources;
        this.adapters = adapters;
        this.arena = Arena.ofShared();
    }

    /**
     * @throws UnsupportedFeatureException if one holds what has no lower rank
     */
    static AdapterSum open(String verb, List<ReduceRequest.Source> sources) throws IOException {
        List<PeftAdapter> adapters = new ArrayList<>();
        var sum = new AdapterSum(sources, adapters);
        try {
            for (ReduceRequest.Source source : sources) {
                PeftAdapter adapter = PeftAdapter.open(source.folder());
                adapters.add(adapter);
                if (!adapter.dialect().equals(adapters.getFirst().dialect())) {
                    throw new UnsupportedFeatureException(
                            FileSpot.of(source.name()),
                            "is named as %s does, %s as %s does"
                                    .formatted(
                                            adapter.dialect(),
                                            sources.getFirst().name(),
                                            adapters.getFirst().dialect()),
                            "adapters add up if their modules are named alike");
                }
                for (AdapterChange change : adapter.changes()) {
                    check("graft " + verb, source, sources.size() > 1, change);
                }
            }
            return sum;
        } catch (Throwable e) {
            sum.close();
            throw e;
        }
    }

    private static void check(
            String verb, ReduceRequest.Source source, boolean several, AdapterChange change)
            throws UnsupportedFeatureException {
        String merge = "merge the adapter into its base instead (graft apply)";
        String cause =
                switch (change) {
                    case LoraModule module when module.magnitude() != null ->
                            "has a magnitude (DoRA): m·(W + ΔW)/‖W + ΔW‖ − W is of full rank, and"
                                    + " what a cut of ΔW does to it only the base tells";
                    case ReplacedRows _ when several -> "holds trained tokens, which do not add up";
                    case DenseChange dense ->
                            "holds %s, whose ΔW is of full rank"
                                    .formatted(dense.getClass().getSimpleName());
                    case LoraParameter _ ->
                            "adapts a parameter without a layer, which %s does not handle"
                                    .formatted(verb);
                    case LoraModule _, ReplacedRows _, ReplacedTensor _ -> "";
                };
        if (!cause.isEmpty()) {
            throw new UnsupportedFeatureException(
                    FileSpot.of(source.name()).tensor(change.name()),
                    cause,
                    change instanceof LoraParameter
                            ? merge
                            : merge
                                    + "; the difference can be stored as a delta (graft sparsify) or"
                                    + " as an adapter (graft extract)");
        }
    }

    /**
     * The profile in which the sum can be written, asked for {@code wanted}: files of sd-scripts
     * and of diffusers stay what they are.
     */
    AdapterProfile profile(AdapterProfile wanted) throws UnsupportedFeatureException {
        String dialect = adapters.getFirst().dialect();
        boolean fits =
                switch (dialect) {
                    case "kohya" ->
                            wanted == AdapterProfile.pattern || wanted == AdapterProfile.kohya;
                    case "diffusers" -> wanted != AdapterProfile.gguf;
                    default -> wanted != AdapterProfile.diffusers;
                };
        if (!fits) {
            throw new UnsupportedFeatureException(
                    FileSpot.of(sources.getFirst().name()),
                    "is named as %s does and cannot be written for %s".formatted(dialect, wanted),
                    "leave --profile out");
        }
        return switch (dialect) {
            case "kohya" -> AdapterProfile.kohya;
            case "diffusers" -> wanted == AdapterProfile.kohya ? wanted : AdapterProfile.diffusers;
            default -> wanted;
        };
    }

    /** The configuration that the result's is derived from: the first adapter's. */
    AdapterConfig template() {
        return adapters.getFirst().config();
    }

    /** Whether the template's targets select exactly the modules of the sum. */
    boolean targetsHold() {
        return adapters.size() == 1;
    }

    /**
     * One part per module that any adapter has, by name.
     *
     * @param weights what errors are measured against, by module; 1 for those missing
     * @throws ConversionException.BaseMismatch if adapters disagree on a module's shape
     */
    List<AdapterCut.Part> parts(Map<String, Double> weights, AdapterProfile profile)
            throws IOException {
        List<AdapterCut.Part> parts = new ArrayList<>();
        for (List<Term> terms : terms().values()) {
            LoraModule module = sum(terms);
            parts.add(
                    new AdapterCut.Part(
                            profile == AdapterProfile.kohya ? kohya(terms, module) : module,
                            stack(terms, true),
                            stack(terms, false),
                            0,
                            weights.getOrDefault(module.name(), 1.0),
                            () -> unusable(terms)));
        }
        return parts;
    }

    /** The module under the names of sd-scripts; a single model goes for its unet. */
    private static LoraModule kohya(List<Term> terms, LoraModule module) {
        Term first = terms.getFirst();
        if (first.adapter().dialect().equals("kohya")) {
            return module;
        }
        ModulePath place = first.adapter().locate(first.module());
        String component = place.component().isEmpty() ? "unet" : place.component();
        String path = KohyaNames.module(component, place.path());
        return module.named(path + ".lora_down.weight", path + ".lora_up.weight");
    }

    private Map<String, List<Term>> terms() {
        Map<String, List<Term>> byName = new TreeMap<>();
        for (int i = 0; i < adapters.size(); i++) {
            PeftAdapter adapter = adapters.get(i);
            for (LoraModule module : adapter.modules()) {
                byName.computeIfAbsent(module.name(), _ -> new ArrayList<>())
                        .add(new Term(sources.get(i), adapter, module));
            }
        }
        return byName;
    }

    /** Names of all modules, sorted. */
    List<String> moduleNames() {
        return adapters.stream()
                .flatMap(adapter -> adapter.modules().stream())
                .map(LoraModule::name)
                .distinct()
                .sorted()
                .toList();
    }

    private static LoraModule sum(List<Term> terms) throws ConversionException {
        LoraModule first = terms.getFirst().module();
        DType type = first.a().dtype();
        int rank = 0;
        for (Term term : terms) {
            LoraModule module = term.module();
            rank = Math.addExact(rank, module.rank());
            type = wider(type, module.a().dtype());
            boolean same =
                    first.cut(1, type).a().shape().equals(module.cut(1, type).a().shape())
                            && first.cut(1, type)
                                    .b()
                                    .shape()
                                    .equals(module.cut(1, type).b().shape());
            if (!same) {
                throw new ConversionException.BaseMismatch(
                        "module %s is %d×%d in %s and %d×%d in %s"
                                .formatted(
                                        FileSpot.quote(first.name()),
                                        first.out(),
                                        first.in(),
                                        terms.getFirst().source().name(),
                                        module.out(),
                                        module.in(),
                                        term.source().name()),
                        "adapters of one base add up; these have different ones");
            }
        }
        return terms.size() == 1 ? first : first.cut(rank, type);
    }

    /** The narrower type that holds both without loss. */
    private static DType wider(DType one, DType other) {
        if (one == other) {
            return one;
        }
        return one == DType.F64 || other == DType.F64 ? DType.F64 : DType.F32;
    }

    private static Operand stack(List<Term> terms, boolean isB) {
        List<Operand> factors = new ArrayList<>();
        for (Term term : terms) {
            LoraModule module = term.module();
            TensorInfo info = isB ? module.b() : module.a();
            factors.add(
                    new Factor(
                            info.dtype(),
                            term.adapter().bytes(info),
                            isB ? module.out() : module.rank(),
                            isB ? module.rank() : module.in(),
                            isB ? module.scale() * term.source().weight() : 1));
        }
        return factors.size() == 1 ? factors.getFirst() : new Stack(factors, isB);
    }

    private static ConversionException unusable(List<Term> terms) {
        for (Term term : terms) {
            for (TensorInfo info : List.of(term.module().a(), term.module().b())) {
                float[] one = new float[1];
                for (long i = 0; i < info.shape().elements(); i++) {
                    Elements.widen(info.dtype(), term.adapter().bytes(info), i, one, 0, 1);
                    if (!Float.isFinite(one[0])) {
                        var spot = FileSpot.of(term.source().name()).tensor(info.name());
                        return new ConversionException.UnusableValues(
                                "%s: element %d is %s".formatted(spot, i, one[0]),
                                "training diverged or the file is damaged; get the adapter again");
                    }
                }
            }
        }
        return new ConversionException.UnusableValues(
                "%s: module %s is too large for float64"
                        .formatted(
                                terms.getFirst().source().name(),
                                FileSpot.quote(terms.getFirst().module().name())),
                "no trained adapter is; the file is damaged");
    }

    /**
     * Tensors that adapters replace whole, each once, rows of embeddings included.
     *
     * @throws ConversionException.BaseMismatch if two adapters replace one differently: a sum of
     *     replacements means nothing
     */
    List<WholeTensor> others() throws IOException {
        Map<String, WholeTensor> all = new TreeMap<>();
        Map<String, String> owners = new HashMap<>();
        for (int i = 0; i < adapters.size(); i++) {
            for (AdapterChange change : adapters.get(i).changes()) {
                if (!(change instanceof ReplacedTensor || change instanceof ReplacedRows)) {
                    continue;
                }
                TensorInfo info = change.tensors().getFirst();
                var tensor = new WholeTensor(info, adapters.get(i).bytes(info));
                WholeTensor known = all.putIfAbsent(info.name(), tensor);
                String owner = owners.putIfAbsent(info.name(), sources.get(i).name());
                if (known != null
                        && (!known.info().equals(info)
                                || known.bytes().mismatch(tensor.bytes()) >= 0)) {
                    throw new ConversionException.BaseMismatch(
                            "%s and %s replace %s, each by its own"
                                    .formatted(
                                            owner,
                                            sources.get(i).name(),
                                            FileSpot.quote(change.name())),
                            "there is no sum of them; leave such tensors out with --factors-only");
                }
            }
        }
        return List.copyOf(all.values());
    }

    /** What those tensors are called in a base, sorted. */
    List<String> otherNames() {
        return adapters.stream()
                .flatMap(adapter -> adapter.changes().stream())
                .filter(change ->
                        change instanceof ReplacedTensor || change instanceof ReplacedRows)
                .map(AdapterChange::name)
                .distinct()
                .sorted()
                .toList();
    }

    /**
     * What lies beside the factors of {@code kept}: {@code others}, and the biases of B ({@code
     * lora_bias}), which scales and weights go into as well.
     */
    List<WholeTensor> beside(List<WholeTensor> others, List<LoraModule> kept) {
        Set<String> names = new HashSet<>();
        kept.forEach(module -> names.add(module.name()));
        List<WholeTensor> all = new ArrayList<>();
        for (WholeTensor other : others) {
            all.add(renamed(other, names));
        }
        for (List<Term> terms : terms().values()) {
            if (names.contains(terms.getFirst().module().name())) {
                bias(terms).ifPresent(all::add);
            }
        }
        return all;
    }

    /**
     * @throws ConversionException.UnusableValues if a module that is not kept has a bias of B: it
     *     would be lost without a word
     */
    void checkBiasesKept(List<LoraModule> kept) throws ConversionException {
        Set<String> names = new HashSet<>();
        kept.forEach(module -> names.add(module.name()));
        for (List<Term> terms : terms().values()) {
            String name = terms.getFirst().module().name();
            if (!names.contains(name) && bias(terms).isPresent()) {
                throw new ConversionException.UnusableValues(
                        "module %s would be dropped, and it has a bias (lora_bias)"
                                .formatted(FileSpot.quote(name)),
                        "keep at least a rank of 1 everywhere: --rank, --energy, or --min-rank 1");
            }
        }
    }

    /** A bias or weight of a module that no longer has factors lies where it does in the base. */
    private static WholeTensor renamed(WholeTensor other, Set<String> kept) {
        String name = other.info().name();
        int at = name.lastIndexOf(BASE_LAYER);
        if (at < 0 || kept.stream().anyMatch(name.substring(0, at)::endsWith)) {
            return other;
        }
        String plain = name.substring(0, at) + name.substring(at + BASE_LAYER.length());
        return new WholeTensor(
                new TensorInfo(plain, other.info().dtype(), other.info().shape()), other.bytes());
    }

    private Optional<WholeTensor> bias(List<Term> terms) {
        double[] sum = {};
        @Nullable TensorInfo info = null;
        for (Term term : terms) {
            TensorInfo bias = term.module().bias();
            if (bias == null) {
                continue;
            }
            float[] values = new float[term.module().out()];
            Elements.widen(bias.dtype(), term.adapter().bytes(bias), 0, values, 0, values.length);
            sum = info == null ? new double[values.length] : sum;
            info = info == null ? bias : info;
            for (int i = 0; i < values.length; i++) {
                sum[i] += values[i] * term.module().scale() * term.source().weight();
            }
        }
        if (info == null) {
            return Optional.empty();
        }
        float[] rounded = new float[sum.length];
        for (int i = 0; i < sum.length; i++) {
            rounded[i] = (float) sum[i];
        }
        MemorySegment bytes = arena.allocate(Math.max(1, info.bytes())).asSlice(0, info.bytes());
        Elements.narrow(info.dtype(), rounded, 0, bytes, 0, rounded.length);
        return Optional.of(new WholeTensor(info, bytes));
    }

    /** Begins to hash all files. */
    void hashInto(InputHashes hashes) {
        for (int i = 0; i < adapters.size(); i++) {
            hashes.add("adapter", sources.get(i).name(), adapters.get(i).files());
        }
    }

    /** What was accepted but should not be there, a line each. */
    List<String> warnings() {
        List<String> warnings = new ArrayList<>();
        for (PeftAdapter adapter : adapters) {
            warnings.addAll(adapter.warnings());
        }
        List<String> bases =
                adapters.stream()
                        .map(adapter -> adapter.config().baseModel().orElse("(none)"))
                        .distinct()
                        .toList();
        if (bases.size() > 1) {
            warnings.add("the adapters name different bases: " + String.join(", ", bases));
        }
        return warnings;
    }

    @Override
    public void close() {
        adapters.forEach(PeftAdapter::close);
        arena.close();
    }
}
