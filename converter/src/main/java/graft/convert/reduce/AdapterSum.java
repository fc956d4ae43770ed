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
import graft.formats.peft.dialect.KohyaNames;
import graft.formats.peft.dialect.ModulePath;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Adapters of one base as one: {@code ΔW = Σ wᵢ·sᵢ·BᵢAᵢ}, exactly, its factors being those of the
 * adapters side by side. Adding A and B separately, as other tools do, is another ΔW. Nothing is
 * copied; views die with {@link #close}.
 */
final class AdapterSum implements AutoCloseable {
    private final List<ReduceRequest.Source> sources;
    private final List<PeftAdapter> adapters;
    private final Map<String, List<Term>> terms = new TreeMap<>(); // by module
    private final Arena arena;

    @SuppressWarnings("MustBeClosedChecker") // closed with this
    private AdapterSum(List<ReduceRequest.Source> sources, List<PeftAdapter> adapters) {
        this.sources = sources;
        this.adapters = adapters;
        for (int i = 0; i < adapters.size(); i++) {
            PeftAdapter adapter = adapters.get(i);
            for (LoraModule module : adapter.modules()) {
                terms.computeIfAbsent(module.name(), _ -> new ArrayList<>())
                        .add(new Term(sources.get(i), adapter, module));
            }
        }
        this.arena = Arena.ofShared();
    }

    /**
     * @throws UnsupportedFeatureException if one holds what has no lower rank
     */
    static AdapterSum open(String verb, List<ReduceRequest.Source> sources) throws IOException {
        List<PeftAdapter> adapters = new ArrayList<>();
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
            return new AdapterSum(sources, adapters);
        } catch (Throwable e) {
            adapters.forEach(PeftAdapter::close);
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
        boolean several = terms.values().stream().anyMatch(AdapterSum::hasSeveralTextEncoders);
        for (List<Term> shares : terms.values()) {
            LoraModule module = sum(shares);
            parts.add(
                    new AdapterCut.Part(
                            profile == AdapterProfile.kohya
                                    ? kohya(shares, module, several)
                                    : module,
                            stack(shares, true),
                            stack(shares, false),
                            0,
                            weights.getOrDefault(module.name(), 1.0),
                            () -> unusable(shares)));
        }
        return parts;
    }

    /** The module under the names of sd-scripts; a single model goes for its unet. */
    private static LoraModule kohya(
            List<Term> terms, LoraModule module, boolean severalTextEncoders) {
        Term first = terms.getFirst();
        if (first.adapter().dialect().equals("kohya")) {
            return module;
        }
        ModulePath place = first.adapter().locate(first.module());
        String component = place.component().isEmpty() ? "unet" : place.component();
        String path = KohyaNames.module(component, place.path(), severalTextEncoders);
        return module.named(path + ".lora_down.weight", path + ".lora_up.weight");
    }

    /**
     * Whether a module is one of a model with several text encoders: of one that is not the first,
     * of a transformer, or of an SDXL UNet: its cross-attention is 2048 wide (SD 1: 768, SD 2:
     * 1024) and it has several transformer blocks where those have one. A first text encoder alone
     * does not tell: that of SDXL is that of SD 1.
     */
    private static boolean hasSeveralTextEncoders(List<Term> terms) {
        Term first = terms.getFirst();
        ModulePath place = first.adapter().locate(first.module());
        return switch (place.component()) {
            case "text_encoder_2", "text_encoder_3", "transformer" -> true;
            case "unet" ->
                    place.path().contains(".transformer_blocks.1.")
                            || place.path().endsWith("attn2.to_k") && first.module().in() == 2048;
            default -> false;
        };
    }

    /** Names of all modules, sorted. */
    List<String> moduleNames() {
        return List.copyOf(terms.keySet());
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
                MemorySegment bytes = term.adapter().bytes(info);
                float[] one = new float[1];
                for (long i = 0; i < info.shape().elements(); i++) {
                    Elements.widen(info.dtype(), bytes, i, one, 0, 1);
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
     * What lies beside the factors.
     *
     * @param factorsOnly whether what adapters replace whole is left out
     * @throws ConversionException.BaseMismatch if two adapters replace a tensor differently
     */
    BesideFactors beside(boolean factorsOnly) throws ConversionException {
        var beside = new BesideFactors(terms, arena);
        for (int i = 0; i < adapters.size() && !factorsOnly; i++) {
            beside.addReplaced(adapters.get(i), sources.get(i).name());
        }
        return beside;
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
