package graft.convert.reduce;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.peft.AdapterChange;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.peft.ReplacedRows;
import graft.formats.peft.ReplacedTensor;
import graft.formats.peft.WholeTensor;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * What of a sum of adapters lies beside its factors: tensors that one of them replaces whole, rows
 * of embeddings included, and the biases of B ({@code lora_bias}), which scales and weights go into
 * as well. Confined to one thread; good for as long as the sum is open.
 */
final class BesideFactors {
    private static final String BASE_LAYER = ".base_layer";

    private final Map<String, List<Term>> terms;
    private final Arena arena;
    private final Map<String, WholeTensor> replaced = new TreeMap<>();
    private final Map<String, String> owners = new HashMap<>();
    private final Set<String> names = new TreeSet<>();
    private @Nullable Map<String, WholeTensor> biases;

    /**
     * @param terms by module, sorted
     * @param arena what biases are added up in
     */
    BesideFactors(Map<String, List<Term>> terms, Arena arena) {
        this.terms = terms;
        this.arena = arena;
    }

    /**
     * Takes in what an adapter replaces, each tensor once.
     *
     * @throws ConversionException.BaseMismatch if another adapter replaces one differently: a sum
     *     of replacements means nothing
     */
    void addReplaced(PeftAdapter adapter, String source) throws ConversionException {
        for (AdapterChange change : adapter.changes()) {
            if (!(change instanceof ReplacedTensor || change instanceof ReplacedRows)) {
                continue;
            }
            names.add(change.name());
            TensorInfo info = change.tensors().getFirst();
            var tensor = new WholeTensor(info, adapter.bytes(info));
            WholeTensor known = replaced.putIfAbsent(info.name(), tensor);
            String owner = owners.putIfAbsent(info.name(), source);
            if (known != null
                    && (!known.info().equals(info)
                            || known.bytes().mismatch(tensor.bytes()) >= 0)) {
                throw new ConversionException.BaseMismatch(
                        "%s and %s replace %s, each by its own"
                                .formatted(owner, source, FileSpot.quote(change.name())),
                        "there is no sum of them; leave such tensors out with --factors-only");
            }
        }
    }

    /** What the replaced tensors are called in a base, sorted. */
    List<String> names() {
        return List.copyOf(names);
    }

    /** All of it, where these modules keep their factors. */
    List<WholeTensor> of(List<LoraModule> kept) {
        Set<String> modules = names(kept);
        List<WholeTensor> all = new ArrayList<>();
        for (WholeTensor tensor : replaced.values()) {
            all.add(renamed(tensor, modules));
        }
        biases().forEach((module, bias) -> {
            if (modules.contains(module)) {
                all.add(bias);
            }
        });
        return all;
    }

    /**
     * @throws ConversionException.UnusableValues if a module that is not kept has a bias of B: it
     *     would be lost without a word
     */
    void checkBiasesKept(List<LoraModule> kept) throws ConversionException {
        Set<String> modules = names(kept);
        for (String module : biases().keySet()) {
            if (!modules.contains(module)) {
                throw new ConversionException.UnusableValues(
                        "module %s would be dropped, and it has a bias (lora_bias)"
                                .formatted(FileSpot.quote(module)),
                        "keep at least a rank of 1 everywhere: --rank, --energy, or --min-rank 1");
            }
        }
    }

    private static Set<String> names(List<LoraModule> modules) {
        return modules.stream().map(LoraModule::name).collect(Collectors.toSet());
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

    /** By module, sorted; added up once, since a budget asks for every size that it tries. */
    private Map<String, WholeTensor> biases() {
        if (biases == null) {
            Map<String, WholeTensor> sums = new TreeMap<>();
            terms.forEach((module, of) -> bias(of).ifPresent(bias -> sums.put(module, bias)));
            biases = sums;
        }
        return biases;
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
}
