package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * A module of an adapter and the base's weight that it changes.
 *
 * @param weight the base's tensor
 * @param tensor what the model calls its changed tensor: another name than the weight's for a head
 *     that is tied to it
 * @param isSwapped whether the weight lies as (in, out), so that it gets (s·B·A)ᵀ: GPT-2's layers,
 *     and embeddings
 */
record AdapterModule(LoraModule module, TensorInfo weight, String tensor, boolean isSwapped) {
    /**
     * All modules of an adapter.
     *
     * @throws ConversionException.BaseMismatch naming modules that the base has no weight for, or
     *     of another shape
     */
    static List<AdapterModule> of(TensorSource base, PeftAdapter adapter)
            throws ConversionException {
        List<AdapterModule> placed = new ArrayList<>();
        Set<String> unmatched = new TreeSet<>();
        for (LoraModule module : adapter.modules()) {
            String path = adapter.locate(module).path();
            Optional<TensorInfo> weight = ModuleNames.weight(base, path);
            Optional<TensorInfo> tied = ModuleNames.tied(base, path);
            if (weight.isPresent()) {
                placed.add(of(adapter, module, weight.get(), weight.get().name()));
            } else if (tied.isPresent()) {
                placed.add(of(adapter, module, tied.get(), path + ".weight"));
            } else {
                unmatched.add(path);
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
        return placed;
    }

    private static AdapterModule of(
            PeftAdapter adapter, LoraModule module, TensorInfo weight, String tensor)
            throws ConversionException {
        boolean swapped =
                module.layer() == LoraModule.Layer.EMBEDDING || adapter.config().isFanInFanOut();
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
        return new AdapterModule(module, weight, tensor, swapped);
    }
}
