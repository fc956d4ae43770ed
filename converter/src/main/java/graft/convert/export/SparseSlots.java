package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * One graph with a place for the changed values of each initializer that some delta changes, and an
 * {@code .onnx_adapter} for each delta. Gaps and values are optional inputs, empty by default, that
 * are scattered over the base in every run; what a delta has whole, or nearly so, replaces its
 * initializer. Not thread-safe.
 *
 * <p>Order: {@link #prepare} with every delta, {@link #writeGraph}, then {@link #writeAdapter}.
 */
final class SparseSlots {
    private final ExportGraph export;
    private final GraphEditor editor;
    private final WholeSlots wholes;
    private final Map<String, ExportPlan.Target> sparse = new TreeMap<>();

    /**
     * @param export whose shared base is written
     * @throws ConversionException.BaseMismatch if the graph's opset lacks nodes that scatter
     */
    SparseSlots(ExportGraph export) throws ConversionException {
        export.requireScattering();
        this.export = export;
        this.editor = export.overBase();
        this.wholes = new WholeSlots(export, editor);
    }

    /**
     * Makes room for what a delta changes.
     *
     * @throws ConversionException.BaseMismatch if something has no place
     */
    void prepare(ExportPlan plan) throws ConversionException {
        for (ExportPlan.Bias bias : plan.biases().values()) {
            throw SlotGraph.noPlace(bias.change().info().name(), "the graph adds no bias there");
        }
        for (ExportPlan.Target target : plan.targets().values()) {
            // of float16 no input may be whole, so small tensors are scattered as well
            boolean half = export.storedAfter(target).dtype() == DType.F16;
            if (half ? ExportGraph.isScattered(target) : export.isSparse(target)) {
                sparse.put(target.after().name(), target);
            } else {
                wholes.add(target);
            }
        }
    }

    /** Writes the graph over the shared base; the list of slots is in its metadata. */
    void writeGraph(Path file) throws IOException {
        wholes.names().forEach(sparse::remove); // one of its tasks needs it whole
        List<Slot> slots = new ArrayList<>(wholes.slots());
        for (ExportPlan.Target target : sparse.values()) {
            Slot slot = slot(target);
            var entries = SlotInputs.dim(target.after().name() + ".entries");
            editor.input(SlotInputs.input(slot.a(), DType.U16, entries));
            editor.input(SlotInputs.input(slot.b(), slot.type(), entries));
            editor.put(SlotInputs.empty(slot.a(), DType.U16, 0));
            editor.put(SlotInputs.empty(slot.b(), slot.type(), 0));
            export.addScatter(editor, target);
            slots.add(slot);
        }
        wholes.finish();
        editor.write(file, Map.of(SlotTable.METADATA, new SlotTable(slots).toJson()));
    }

    private Slot slot(ExportPlan.Target target) {
        String name = target.after().name();
        TensorInfo info = target.before();
        return new Slot(
                name,
                Slot.Kind.sparse,
                SparseInitializer.gapName(name),
                SparseInitializer.valueName(name),
                Shape.of(TensorValues.rows(info)),
                TensorValues.columns(info),
                export.storage().stored(info).dtype(),
                Slot.ANY_RANK);
    }

    /**
     * Writes one delta's values; returns their bytes.
     *
     * @throws graft.formats.UnsupportedFeatureException above 2 GiB
     */
    long writeAdapter(ExportPlan plan, Path file) throws IOException {
        var parts = new AdapterParts();
        List<ExportPlan.Target> whole = new ArrayList<>();
        for (ExportPlan.Target target : plan.targets().values()) {
            if (sparse.containsKey(target.after().name())) {
                parts.add(part(target));
            } else {
                whole.add(target);
            }
        }
        parts.addWhole(export, whole);
        return parts.write(file);
    }

    /** Gaps and values; made twice, for how many there are shows only then. */
    private AdapterParts.Part part(ExportPlan.Target target) throws IOException {
        List<TensorInfo> parameters;
        try (Arena arena = Arena.ofConfined()) {
            SparseInitializer.Coded coded = export.coded(target, arena);
            parameters = List.of(coded.gapInfo(), coded.valueInfo());
        }
        return new AdapterParts.Part() {
            @Override
            public List<TensorInfo> parameters() {
                return parameters;
            }

            @Override
            public List<MemorySegment> make(Arena arena) throws IOException {
                SparseInitializer.Coded coded = export.coded(target, arena);
                return List.of(coded.gaps(), coded.values());
            }
        };
    }

    /** How many initializers of a plan are scattered. */
    int scattered(ExportPlan plan) {
        return (int) plan.targets().keySet().stream().filter(sparse::containsKey).count();
    }
}
