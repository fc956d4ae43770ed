package graft.convert.apply;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.peft.AdapterChange;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.peft.dialect.ModulePath;
import graft.formats.tensor.TensorInfo;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Where the changes of one adapter go in one component of a base; collects what has no place, so
 * that the error names all of it.
 */
final class Targets {
    private final BaseModel base;
    private final PeftAdapter adapter;
    private final List<String> unmatched = new ArrayList<>();
    private int matched;

    Targets(BaseModel base, PeftAdapter adapter) {
        this.base = base;
        this.adapter = adapter;
    }

    /** The weight of the module that a change names; empty, and noted, if there is none. */
    Optional<TensorInfo> weight(AdapterChange change) throws ConversionException.BaseMismatch {
        return weight(change.name(), adapter.locate(change));
    }

    private Optional<TensorInfo> weight(String name, ModulePath path)
            throws ConversionException.BaseMismatch {
        Optional<TensorInfo> found = one(name, base.names().weight(path));
        if (found.isEmpty()) {
            unmatched.add(name);
        } else {
            matched++;
        }
        return found;
    }

    /** A tensor of the base by its name in the adapter; empty if there is none. */
    Optional<TensorInfo> tensor(String name) throws ConversionException.BaseMismatch {
        return one(name, base.names().tensor(name));
    }

    private Optional<TensorInfo> one(String name, List<TensorInfo> found)
            throws ConversionException.BaseMismatch {
        if (found.size() > 1) {
            throw new ConversionException.BaseMismatch(
                    "module %s may be %s of %s"
                            .formatted(
                                    FileSpot.quote(name),
                                    found.stream()
                                            .limit(3)
                                            .map(info -> FileSpot.quote(info.name()))
                                            .collect(Collectors.joining(" or ")),
                                    base.source()),
                    "nothing tells which; give the base under the names it was trained with");
        }
        return found.stream().findFirst();
    }

    void noteUnmatched(String name) {
        unmatched.add(name);
    }

    void noteMatched() {
        matched++;
    }

    /**
     * @throws ConversionException.BaseMismatch if a change found no place
     */
    void checkAllMatched() throws ConversionException.BaseMismatch {
        if (unmatched.isEmpty()) {
            return;
        }
        throw new ConversionException.BaseMismatch(
                "%s has nothing like %d of %d modules: %s"
                        .formatted(
                                base.source(),
                                unmatched.size(),
                                unmatched.size() + matched,
                                unmatched.stream()
                                        .limit(5)
                                        .map(FileSpot::quote)
                                        .collect(
                                                Collectors.joining(
                                                        ", ",
                                                        "",
                                                        unmatched.size() > 5 ? ", …" : ""))),
                "give the base that the adapter was trained on");
    }

    /** What the linear layers that are not square say, if they agree; else the configuration. */
    Orientation orientation(List<AdapterChange> changes) {
        var configured = adapter.config().isFanInFanOut() ? Orientation.IN_OUT : Orientation.OUT_IN;
        var seen =
                changes.stream()
                        .filter(LoraModule.class::isInstance)
                        .map(LoraModule.class::cast)
                        .filter(module -> module.layer() == LoraModule.Layer.LINEAR)
                        .flatMap(module ->
                                base.names().weight(adapter.locate(module)).stream()
                                        .limit(1)
                                        .map(info ->
                                                Orientation.of(
                                                        info.shape(), module, Orientation.NONE)))
                        .filter(orientation -> orientation != Orientation.NONE)
                        .distinct()
                        .toList();
        return seen.size() == 1 ? seen.getFirst() : configured;
    }

    static ConversionException.BaseMismatch mismatch(
            String module, String what, TensorInfo weight) {
        return new ConversionException.BaseMismatch(
                "module %s is %s, the base's %s is %s"
                        .formatted(
                                FileSpot.quote(module),
                                what,
                                FileSpot.quote(weight.name()),
                                weight.shape()),
                "give the base that the adapter was trained on");
    }
}
