package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.delta.DeltaEntries;
import graft.formats.delta.DeltaReader;
import graft.formats.delta.SparseTensor;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.DType;
import graft.formats.tensor.Elements;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

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

    /** A tensor with the values of these bytes. */
    static TensorChange.Replace whole(TensorInfo info, MemorySegment bytes) {
        return new TensorChange.Replace(info, values(info.dtype(), bytes));
    }

    /** Values as they are stored. */
    static TensorChange.Values values(DType type, MemorySegment bytes) {
        return (first, into, count) -> Elements.widen(type, bytes, first, into, 0, count);
    }

    /**
     * Of a sparse delta: kept entries with the values that applying the delta gives, and whole
     * tensors; tied ones under each of their names.
     *
     * @param base what the delta builds on
     */
    public static List<TensorChange> ofDelta(TensorSource base, DeltaReader delta) {
        List<TensorChange> changes = new ArrayList<>();
        for (SparseTensor tensor : delta.header().tensors()) {
            if (tensor.count() > 0) {
                changes.add(scatter(base, delta, tensor, tensor.info()));
            }
        }
        for (TensorInfo info : delta.whole()) {
            if (info.dtype().isComputable()) {
                changes.add(whole(info, delta.bytes(info)));
            }
        }
        delta.tied()
                .forEach((tied, same) -> {
                    Optional<SparseTensor> sparse = delta.find(same.name());
                    if (sparse.isPresent() && sparse.get().count() > 0) {
                        changes.add(scatter(base, delta, sparse.get(), tied));
                    } else if (sparse.isEmpty() && tied.dtype().isComputable()) {
                        changes.add(whole(tied, delta.bytes(same)));
                    }
                });
        return changes;
    }

    private static TensorChange scatter(
            TensorSource base, DeltaReader delta, SparseTensor tensor, TensorInfo as) {
        String name = tensor.info().name();
        TensorInfo from = base.find(name).orElseThrow();
        MemorySegment before = base.bytes(name);
        return new TensorChange.Scatter(
                as,
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
        for (AdapterModule module : AdapterModule.of(base, adapter)) {
            changes.add(merged(base, adapter, module));
        }
        for (TensorInfo other : adapter.others()) {
            changes.add(whole(adapter, other));
        }
        return changes;
    }

    /** Of one of an adapter's whole tensors. */
    static TensorChange whole(PeftAdapter adapter, TensorInfo other) {
        var info = new TensorInfo(PeftAdapter.baseName(other), other.dtype(), other.shape());
        return whole(info, adapter.bytes(other));
    }

    private static TensorChange merged(
            TensorSource base, PeftAdapter adapter, AdapterModule placed) {
        LoraModule module = placed.module();
        TensorInfo weight = placed.weight();
        MemorySegment b = adapter.bytes(module.b());
        MemorySegment a = adapter.bytes(module.a());
        var values =
                new LowRankValues(
                        base.bytes(weight.name()), weight, module, b, a, placed.isSwapped());
        var info = new TensorInfo(placed.tensor(), weight.dtype(), weight.shape());
        if (weight.shape().rank() != 2) {
            return new TensorChange.Replace(info, values);
        }
        return new TensorChange.Replace(
                info, values, Optional.of(LoraFactors.of(module, b, a, placed.isSwapped())));
    }
}
