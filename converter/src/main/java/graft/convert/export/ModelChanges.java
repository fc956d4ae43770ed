package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.delta.DeltaEntries;
import graft.formats.delta.DeltaReader;
import graft.formats.delta.SparseTensor;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a model changes in a base, whatever it is stored as. Changes read their source when they are
 * written: keep it open till then.
 */
public final class ModelChanges {
    private ModelChanges() {}

    /**
     * Of a full checkpoint: every tensor whose values are not the base's, and every one the base
     * lacks. Tensors that only the base has do not matter.
     */
    public static List<TensorChange> ofCheckpoint(TensorSource base, TensorSource model) {
        List<TensorChange> changes = new ArrayList<>();
        for (TensorInfo info : model.tensors()) {
            if (!info.dtype().isComputable()) {
                continue; // buffers, which graphs have folded into constants
            }
            if (!isSame(base, model, info)) {
                changes.add(whole(info, model.bytes(info.name())));
            }
        }
        return changes;
    }

    private static boolean isSame(TensorSource base, TensorSource model, TensorInfo info) {
        return base.find(info.name()).filter(info::equals).isPresent()
                && base.bytes(info.name()).mismatch(model.bytes(info.name())) == -1;
    }

    private static TensorChange whole(TensorInfo info, MemorySegment bytes) {
        return new TensorChange.Replace(
                info,
                (first, into, count) -> Elements.widen(info.dtype(), bytes, first, into, 0, count));
    }

    /**
     * Of a sparse delta: kept entries with the values that applying the delta gives, and whole
     * tensors.
     *
     * @param base what the delta builds on
     */
    public static List<TensorChange> ofDelta(TensorSource base, DeltaReader delta) {
        List<TensorChange> changes = new ArrayList<>();
        for (SparseTensor tensor : delta.header().tensors()) {
            if (tensor.count() > 0) {
                changes.add(scatter(base, delta, tensor));
            }
        }
        for (TensorInfo info : delta.whole()) {
            if (info.dtype().isComputable()) {
                changes.add(whole(info, delta.bytes(info)));
            }
        }
        return changes;
    }

    private static TensorChange scatter(TensorSource base, DeltaReader delta, SparseTensor tensor) {
        String name = tensor.info().name();
        TensorInfo from = base.find(name).orElseThrow();
        MemorySegment before = base.bytes(name);
        return new TensorChange.Scatter(
                tensor.info(),
                tensor.count(),
                entry -> {
                    DeltaEntries entries = delta.entries(tensor);
                    float[] one = new float[1];
                    while (entries.next()) {
                        Elements.widen(from.dtype(), before, entries.index(), one, 0, 1);
                        entry.put(entries.index(), entries.absolute(one[0]));
                    }
                });
    }

    /**
     * Of a LoRA adapter: W + s·B·A for every module, summed in float64, and whole tensors.
     *
     * @throws ConversionException.BaseMismatch naming modules that the base has no weight for, or
     *     of another shape
     */
    public static List<TensorChange> ofAdapter(TensorSource base, PeftAdapter adapter)
            throws ConversionException {
        List<TensorChange> changes = new ArrayList<>();
        Set<String> unmatched = new TreeSet<>();
        for (LoraModule module : adapter.modules()) {
            Optional<TensorInfo> weight = weight(base, module);
            if (weight.isEmpty()) {
                unmatched.add(module.name());
            } else {
                changes.add(merged(base, adapter, module, weight.get()));
            }
        }
        if (!unmatched.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "%s has no weight for %d of %d modules: %s"
                            .formatted(
                                    base.name(),
                                    unmatched.size(),
                                    adapter.modules().size(),
                                    GraphBinding.few(unmatched)),
                    "give the base that the adapter was trained on");
        }
        for (TensorInfo other : adapter.others()) {
            var info = new TensorInfo(PeftAdapter.baseName(other), other.dtype(), other.shape());
            changes.add(whole(info, adapter.bytes(other)));
        }
        return changes;
    }

    /** By its exact name, or by the only name that ends in it, or that it ends in. */
    private static Optional<TensorInfo> weight(TensorSource base, LoraModule module) {
        String name = module.name() + ".weight";
        if (base.find(name).isPresent()) {
            return base.find(name);
        }
        List<TensorInfo> similar =
                base.tensors().stream().filter(info -> GraphNames.same(info.name(), name)).toList();
        return similar.size() == 1 ? Optional.of(similar.getFirst()) : Optional.empty();
    }

    private static TensorChange merged(
            TensorSource base, PeftAdapter adapter, LoraModule module, TensorInfo weight)
            throws ConversionException {
        boolean swapped = adapter.config().isFanInFanOut();
        long rows = swapped ? module.in() : module.out();
        long columns = swapped ? module.out() : module.in();
        boolean fits =
                weight.dtype().isComputable()
                        && weight.shape().rank() >= 2
                        && weight.shape().extent(0) == rows
                        && weight.shape().elements() == rows * columns;
        if (!fits) {
            throw new ConversionException.BaseMismatch(
                    "module %s is %d×%d, the base's %s is %s"
                            .formatted(
                                    FileSpot.quote(module.name()),
                                    module.out(),
                                    module.in(),
                                    FileSpot.quote(weight.name()),
                                    weight.shape()),
                    "give the base that the adapter was trained on");
        }
        var update =
                new LowRankValues(
                        base.bytes(weight.name()),
                        weight,
                        module,
                        adapter.bytes(module.b()),
                        adapter.bytes(module.a()),
                        swapped);
        return new TensorChange.Replace(weight, update);
    }
}
