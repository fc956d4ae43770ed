package graft.convert.reduce;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.Factor;
import graft.convert.lowrank.Operand;
import graft.convert.lowrank.Stack;
import graft.convert.plan.Inputs;
import graft.formats.FileSpot;
import graft.formats.peft.AdapterConfig;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.peft.WholeTensor;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Adapters of one base as one: {@code ΔW = Σ wᵢ·sᵢ·BᵢAᵢ}, exactly, its factors being those of the
 * adapters side by side. Adding A and B separately, as other tools do, is another ΔW. Nothing is
 * copied; views die with {@link #close}.
 */
final class AdapterSum implements AutoCloseable {
    /** One adapter's share of one module. */
    private record Term(ReduceRequest.Source source, PeftAdapter adapter, LoraModule module) {}

    private final List<ReduceRequest.Source> sources;
    private final List<PeftAdapter> adapters;

    private AdapterSum(List<ReduceRequest.Source> sources, List<PeftAdapter> adapters) {
        this.sources = sources;
        this.adapters = adapters;
    }

    static AdapterSum open(String verb, List<ReduceRequest.Source> sources) throws IOException {
        List<PeftAdapter> adapters = new ArrayList<>();
        var sum = new AdapterSum(sources, adapters);
        try {
            for (ReduceRequest.Source source : sources) {
                PeftAdapter adapter = PeftAdapter.open(source.folder());
                adapters.add(adapter);
                adapter.checkLowRankOnly("graft " + verb);
            }
            return sum;
        } catch (Throwable e) {
            sum.close();
            throw e;
        }
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
    List<AdapterCut.Part> parts(Map<String, Double> weights) throws IOException {
        Map<String, List<Term>> byName = new TreeMap<>();
        for (int i = 0; i < adapters.size(); i++) {
            PeftAdapter adapter = adapters.get(i);
            for (LoraModule module : adapter.modules()) {
                byName.computeIfAbsent(module.name(), _ -> new ArrayList<>())
                        .add(new Term(sources.get(i), adapter, module));
            }
        }
        List<AdapterCut.Part> parts = new ArrayList<>();
        for (List<Term> terms : byName.values()) {
            LoraModule module = sum(terms);
            parts.add(
                    new AdapterCut.Part(
                            module,
                            stack(terms, true),
                            stack(terms, false),
                            0,
                            weights.getOrDefault(module.name(), 1.0),
                            () -> unusable(terms)));
        }
        return parts;
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
     * Tensors that adapters replace whole; each once.
     *
     * @throws ConversionException.BaseMismatch if two adapters replace one differently: a sum of
     *     replacements means nothing
     */
    List<WholeTensor> others() throws IOException {
        Map<String, WholeTensor> all = new TreeMap<>();
        Map<String, String> owners = new HashMap<>();
        for (int i = 0; i < adapters.size(); i++) {
            for (TensorInfo info : adapters.get(i).others()) {
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
                                            FileSpot.quote(PeftAdapter.baseName(info))),
                            "there is no sum of them; leave such tensors out with --factors-only");
                }
            }
        }
        return List.copyOf(all.values());
    }

    List<Ledger.Input> inputs() throws IOException {
        List<Ledger.Input> inputs = new ArrayList<>();
        for (int i = 0; i < adapters.size(); i++) {
            PeftAdapter adapter = adapters.get(i);
            inputs.addAll(Inputs.of("adapter", sources.get(i).name(), adapter.files()));
        }
        return inputs;
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
    }
}
