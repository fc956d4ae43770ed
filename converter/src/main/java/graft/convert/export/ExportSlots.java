package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * One graph with slots for many adapters, and an {@code .onnx_adapter} for each. Ranks may differ
 * between adapters and between modules; heads may differ in size. Not thread-safe.
 *
 * <p>Order: {@link #prepare} with every adapter, {@link #writeGraph}, then {@link #writeAdapter}.
 */
public final class ExportSlots {
    private final ExportGraph export;
    private final SlotGraph slots;

    /**
     * @param export whose shared base is written
     * @param profile how the inputs are called
     * @param type of the inputs: F32 or BF16
     */
    public ExportSlots(ExportGraph export, SlotNames profile, DType type) {
        if (type != DType.F32 && type != DType.BF16) {
            throw new IllegalArgumentException("slots of type " + type);
        }
        this.export = export;
        this.slots = new SlotGraph(export, profile, type);
    }

    /**
     * Makes room for what the adapters change.
     *
     * @throws ConversionException.BaseMismatch if a layer cannot have a slot
     */
    public void prepare(TensorSource base, Collection<PeftAdapter> adapters)
            throws ConversionException {
        for (PeftAdapter adapter : adapters) {
            for (AdapterModule module : AdapterModule.of(base, adapter)) {
                slots.add(module);
            }
            for (ExportPlan.Target target : wholes(adapter)) {
                slots.wholes().add(target);
            }
        }
    }

    /** Whether adapters replace or add to weights themselves, which are no constants then. */
    boolean hasFreeWeights() {
        return slots.hasFreeWeights();
    }

    /** Modules that the graph does not compute with. */
    Set<String> absent(TensorSource base, PeftAdapter adapter) throws ConversionException {
        Set<String> absent = new TreeSet<>();
        for (AdapterModule module : AdapterModule.of(base, adapter)) {
            if (export.binding().of(module.tensor()).isEmpty()
                    && export.binding().isAbsent(module.weight())) {
                absent.add(module.module().name());
            }
        }
        return absent;
    }

    private Collection<ExportPlan.Target> wholes(PeftAdapter adapter) throws ConversionException {
        List<TensorChange> changes = new ArrayList<>();
        for (TensorInfo other : adapter.others()) {
            changes.add(ModelChanges.whole(adapter, other));
        }
        return export.plan(changes).targets().values();
    }

    /** Writes the graph over the shared base; the list of slots is in its metadata. */
    public SlotTable writeGraph(Path file) throws IOException {
        slots.wholes().finish();
        SlotTable table = slots.table();
        slots.editor().write(file, Map.of(SlotTable.METADATA, table.toJson()));
        return table;
    }

    /** Writes one adapter for the graph; returns its bytes. */
    public long writeAdapter(TensorSource base, PeftAdapter adapter, Path file) throws IOException {
        var out = new SlotAdapter(slots.table());
        out.addModules(adapter, absent(base, adapter));
        out.addWhole(export, wholes(adapter));
        return out.write(file);
    }
}
