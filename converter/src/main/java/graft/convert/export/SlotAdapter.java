package graft.convert.export;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** One task's {@code .onnx_adapter} for a graph with slots: factors turned, the scale in B's. */
final class SlotAdapter {
    private final SlotTable table;
    private final AdapterParts parts = new AdapterParts();

    SlotAdapter(SlotTable table) {
        this.table = table;
    }

    /**
     * Adds an adapter's modules.
     *
     * @param absent modules that the graph does not compute with
     * @throws ConversionException.BaseMismatch naming modules for which the graph has no slot, or
     *     one of another size
     */
    void addModules(PeftAdapter adapter, Set<String> absent) throws ConversionException {
        Map<LoraModule, Slot> found = new LinkedHashMap<>();
        Set<String> homeless = new TreeSet<>();
        for (LoraModule module : adapter.modules()) {
            String path = adapter.locate(module).path();
            Optional<Slot> slot = table.find(module.name()).or(() -> table.find(path));
            if (slot.isPresent()) {
                found.put(module, slot.get());
            } else if (!absent.contains(module.name())) {
                homeless.add(path);
            }
        }
        if (!homeless.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "the graph has no slot for %d of %d modules: %s"
                            .formatted(
                                    homeless.size(),
                                    adapter.modules().size(),
                                    GraphBinding.few(homeless)),
                    "give a graph with slots for these modules, or let graft make one from the base's graph");
        }
        for (var entry : found.entrySet()) {
            add(adapter, entry.getValue(), entry.getKey());
        }
    }

    private void add(PeftAdapter adapter, Slot slot, LoraModule module) throws ConversionException {
        boolean fits =
                slot.in() == module.in()
                        && slot.out() == module.out()
                        && (slot.rank() == Slot.ANY_RANK || module.rank() <= slot.rank());
        if (!fits) {
            throw new ConversionException.BaseMismatch(
                    "module %s is %d×%d of rank %d, its slot %s is %d×%d%s"
                            .formatted(
                                    FileSpot.quote(module.name()),
                                    module.out(),
                                    module.in(),
                                    module.rank(),
                                    FileSpot.quote(slot.a()),
                                    slot.out(),
                                    slot.in(),
                                    slot.rank() == Slot.ANY_RANK ? "" : " of rank " + slot.rank()),
                    "give a graph of the adapter's base"
                            + (slot.rank() == Slot.ANY_RANK
                                    ? ""
                                    : ", or reduce the adapter first"));
        }
        long rank = slot.rank() == Slot.ANY_RANK ? module.rank() : slot.rank();
        TensorChange.Factors factors =
                LoraFactors.of(module, adapter.bytes(module.b()), adapter.bytes(module.a()), true);
        // rows × rank is Aᵀ, rank × columns is s·Bᵀ
        var a = new TensorInfo(slot.a(), slot.type(), Shape.of(slot.in(), rank));
        var b = new TensorInfo(slot.b(), slot.type(), Shape.of(rank, slot.out()));
        put(a, slot.ofA(rank), Shape.of(slot.in(), module.rank()), factors.left());
        put(b, b.shape(), Shape.of(module.rank(), slot.out()), factors.right());
    }

    /**
     * A lower rank than the graph insists on is filled up with zeros.
     *
     * @param info of two axes
     * @param shape that the input has
     */
    private void put(TensorInfo info, Shape shape, Shape held, TensorChange.Values values) {
        var change =
                new TensorChange.Replace(new TensorInfo(info.name(), info.dtype(), held), values);
        var layout =
                held.equals(info.shape())
                        ? Layout.IDENTITY
                        : Layout.part(false, held.extent(0) == info.shape().extent(0) ? 1 : 0, 0);
        var target = ExportPlan.Target.alone(info, layout, change);
        var input = new TensorInfo(info.name(), info.dtype(), shape);
        parts.add(input, arena -> Materialised.of(target, MemorySegment.NULL, arena));
    }

    /** Adds whole tensors, as they lie in their initializers. */
    void addWhole(ExportGraph export, Iterable<ExportPlan.Target> targets) {
        parts.addWhole(export, targets);
    }

    /**
     * Refuses whole tensors that the graph has no input for.
     *
     * @throws ConversionException.BaseMismatch naming them
     */
    void refuseHeads(PeftAdapter adapter) throws ConversionException {
        Set<String> homeless = new TreeSet<>();
        adapter.others().forEach(other -> homeless.add(PeftAdapter.baseName(other)));
        if (!homeless.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "the graph came with slots, and none is for %s"
                            .formatted(GraphBinding.few(homeless)),
                    "let graft make a graph with slots from the base's plain graph");
        }
    }

    /** Writes the file; returns its size. */
    long write(Path file) throws IOException {
        return parts.write(file);
    }
}
