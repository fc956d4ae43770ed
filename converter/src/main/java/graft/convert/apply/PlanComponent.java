package graft.convert.apply;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.peft.AdapterChange;
import graft.formats.peft.DenseChange;
import graft.formats.peft.LoraModule;
import graft.formats.peft.LoraParameter;
import graft.formats.peft.PeftAdapter;
import graft.formats.peft.ReplacedRows;
import graft.formats.peft.ReplacedTensor;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * An adapter's changes of one component → how each of its tensors is made. Nothing is computed yet
 * and no tensor data is read but vectors: magnitudes and factors of rows.
 */
final class PlanComponent {
    private final BaseModel base;
    private final PeftAdapter adapter;
    private final Rounding rounding;
    private final Targets targets;
    private final Map<String, Draft> drafts;
    private final int sign; // of updates
    private final List<String> warnings = new ArrayList<>();
    private Orientation orientation = Orientation.OUT_IN;

    PlanComponent(BaseModel base, PeftAdapter adapter, Rounding rounding) {
        this(base, adapter, rounding, new LinkedHashMap<>(), 1);
    }

    private PlanComponent(
            BaseModel base,
            PeftAdapter adapter,
            Rounding rounding,
            Map<String, Draft> drafts,
            int sign) {
        this.base = base;
        this.adapter = adapter;
        this.rounding = rounding;
        this.targets = new Targets(base, adapter);
        this.drafts = drafts;
        this.sign = sign;
    }

    /** Takes the changes of the adapter into the plan. */
    void add(List<AdapterChange> changes) throws IOException {
        orientation = targets.orientation(changes);
        for (AdapterChange change : changes) {
            add(change);
        }
    }

    /** Takes the adapter that training started from: its updates are taken away. */
    void subtract(PeftAdapter initial, List<AdapterChange> changes) throws IOException {
        var other = new PlanComponent(base, initial, rounding, drafts, -1);
        other.orientation = orientation;
        for (AdapterChange change : changes) {
            if (!(change instanceof LoraModule module) || !module.isPlain()) {
                throw new ConversionException.BaseMismatch(
                        "the initial adapter holds more than plain LoRA: "
                                + FileSpot.quote(change.name()),
                        "give the adapter as it was before training");
            }
            other.add(change);
        }
        other.targets.checkAllMatched();
    }

    /**
     * Every tensor of the merged component, in the base's order, then new ones.
     *
     * @throws ConversionException.BaseMismatch if a change found no place
     */
    List<MergedTensor> tensors() throws IOException {
        targets.checkAllMatched();
        List<MergedTensor> all = new ArrayList<>();
        var left = new LinkedHashMap<>(drafts);
        for (TensorInfo info : base.weights().tensors()) {
            Draft draft = left.remove(info.name());
            all.add(draft == null ? MergedTensor.carried(info, base.bytes(info)) : draft.finish());
        }
        for (Draft draft : left.values()) {
            all.add(draft.finish());
        }
        return all;
    }

    List<String> warnings() {
        return warnings;
    }

    private void add(AdapterChange change) throws IOException {
        switch (change) {
            case LoraModule module -> lora(module);
            case LoraParameter parameter ->
                    new PlanExperts(base, adapter, targets, rounding, this::draft).add(parameter);
            case DenseChange dense -> dense(dense);
            case ReplacedTensor replaced -> replaced(replaced);
            case ReplacedRows rows -> rows(rows);
        }
    }

    private Draft draft(TensorInfo info) throws ConversionException {
        Draft draft = drafts.computeIfAbsent(info.name(), _ -> new Draft(info, base.bytes(info)));
        draft.checkComputable();
        return draft;
    }

    private void lora(LoraModule module) throws IOException {
        Optional<PlanExperts.Slot> expert = PlanExperts.slotOf(base, module);
        if (expert.isPresent() && targets.tensor(module.name() + ".weight").isEmpty()) {
            targets.noteMatched();
            Draft stack = draft(expert.get().stack());
            stack.asStack();
            addProduct(module, stack, expert.get().row(), DType.F32);
            return;
        }
        Optional<Draft> head = tiedHead(module);
        Optional<TensorInfo> found = head.isPresent() ? Optional.empty() : targets.weight(module);
        if (head.isEmpty() && found.isEmpty()) {
            return;
        }
        Draft draft = head.isPresent() ? head.get() : draft(found.get());
        boolean isEmbedding = module.layer() == LoraModule.Layer.EMBEDDING;
        boolean roundFirst = isEmbedding && module.magnitude() == null && rounding == Rounding.PEFT;
        addProduct(module, draft, 0, roundFirst ? draft.dtype() : DType.F32);
        if (module.bias() != null) {
            bias(module, module.bias());
        }
    }

    /** A head that the base does not store because it is the embedding: it becomes its own. */
    private Optional<Draft> tiedHead(LoraModule module) throws ConversionException {
        if (!Vocabulary.isHead(module.name())
                || targets.tensor(module.name() + ".weight").isPresent()) {
            return Optional.empty();
        }
        Optional<TensorInfo> embedding = Vocabulary.embedding(base);
        if (embedding.isEmpty()) {
            return Optional.empty();
        }
        targets.noteMatched();
        TensorInfo like = embedding.get();
        var info = new TensorInfo(module.name() + ".weight", like.dtype(), like.shape());
        warnings.add("%s is new: it was tied to %s".formatted(info.name(), like.name()));
        return Optional.of(
                drafts.computeIfAbsent(info.name(), _ -> new Draft(info, base.bytes(like))));
    }

    private void addProduct(LoraModule module, Draft draft, int row, DType roundTo)
            throws IOException {
        Strided a = Strided.of(module.a(), adapter.bytes(module.a()), module.rank(), module.in());
        Strided b = Strided.of(module.b(), adapter.bytes(module.b()), module.out(), module.rank());
        boolean transposed =
                switch (module.layer()) {
                    case LINEAR -> isTransposed(module, draft);
                    case EMBEDDING -> true;
                    case CONVOLUTION -> false;
                };
        draft.checkMatrix(
                module,
                transposed ? module.in() : module.out(),
                transposed ? module.out() : module.in(),
                row);
        var delta = new Delta.Product(b, a, sign * module.scale());
        draft.add(new Step.Add(transposed ? delta.transposed() : delta, row, roundTo));
        if (module.magnitude() != null) {
            float[] magnitudes = vector(module.magnitude());
            if (transposed) {
                draft.normaliseColumns(magnitudes);
            } else {
                draft.add(new Step.NormaliseRows(magnitudes));
            }
        }
    }

    private boolean isTransposed(LoraModule module, Draft draft)
            throws ConversionException.BaseMismatch {
        if (draft.shape().rank() == 3 && draft.isStack()) {
            return false; // one expert of a stack, whose layout its slot has checked
        }
        return switch (Orientation.of(draft.shape(), module, orientation)) {
            case OUT_IN -> false;
            case IN_OUT -> true;
            case NONE ->
                    throw Targets.mismatch(
                            module.name(),
                            "%d×%d".formatted(module.out(), module.in()),
                            draft.info());
        };
    }

    private void bias(LoraModule module, TensorInfo bias) throws IOException {
        Optional<TensorInfo> found = targets.tensor(module.name() + ".bias");
        if (found.isEmpty()) {
            throw new ConversionException.BaseMismatch(
                    "module %s has a lora_bias, but no bias in %s"
                            .formatted(FileSpot.quote(module.name()), base.source()),
                    "a bias would have to be made; give the base that the adapter was trained on");
        }
        Draft draft = draft(found.get());
        draft.checkElements(bias);
        Strided row = Strided.of(bias, adapter.bytes(bias), 1, module.out());
        draft.add(new Step.Add(new Delta.Scaled(row, (float) module.scale()), 0, DType.F32));
    }

    private void dense(DenseChange change) throws IOException {
        Optional<TensorInfo> found = targets.weight(change);
        if (found.isEmpty()) {
            return;
        }
        Draft draft = draft(found.get());
        var deltas = new DenseDeltas(adapter, draft);
        switch (change) {
            case DenseChange.Ia3 ia3 -> ia3(ia3, draft);
            case DenseChange.AdaLora a -> draft.add(deltas.of(a));
            case DenseChange.LoHa a -> draft.add(deltas.of(a));
            case DenseChange.LoKr a -> draft.add(deltas.of(a));
            case DenseChange.Vera a -> draft.add(deltas.of(a));
        }
    }

    private void ia3(DenseChange.Ia3 change, Draft draft) throws IOException {
        float[] factors = vector(change.l());
        boolean isLinear = draft.shape().rank() == 2;
        boolean inOut = isLinear && adapter.config().isFanInFanOut();
        long kernel = 1;
        for (int axis = 2; axis < draft.shape().rank(); axis++) {
            kernel *= draft.shape().extent(axis);
        }
        boolean onRows = change.isFeedforward() == inOut;
        long expected = draft.shape().rank() < 2 ? -1 : draft.shape().extent(onRows ? 0 : 1);
        if (expected != factors.length) {
            throw Targets.mismatch(
                    change.name(), "a scale of %d".formatted(factors.length), draft.info());
        }
        draft.add(
                onRows
                        ? new Step.ScaleRows(factors)
                        : new Step.ScaleColumns(factors, (int) kernel));
        Optional<TensorInfo> bias = targets.tensor(change.name() + ".bias");
        if (!change.isFeedforward() && bias.isPresent()) {
            Draft scaled = draft(bias.get());
            scaled.checkElements(change.l());
            scaled.add(new Step.ScaleColumns(factors, 1));
        }
    }

    private float[] vector(TensorInfo info) {
        return Strided.vector(info, adapter.bytes(info));
    }

    private void replaced(ReplacedTensor change) throws IOException {
        TensorInfo tensor = change.tensor();
        Optional<TensorInfo> found = targets.tensor(change.name());
        if (found.isEmpty() && !mayBeNew(change.name())) {
            targets.noteUnmatched(change.name());
            return;
        }
        targets.noteMatched();
        TensorInfo before =
                found.orElse(new TensorInfo(change.name(), tensor.dtype(), tensor.shape()));
        Draft draft = Draft.replaced(before, tensor, adapter.bytes(tensor));
        drafts.put(before.name(), draft);
        if (found.isEmpty()) {
            warnings.add("%s is new: the base lacks it".formatted(change.name()));
        }
    }

    /** A head: bases without one for the task, or with one tied to the embedding, lack it. */
    private static boolean mayBeNew(String tensor) {
        return !tensor.contains(".layers.") && !tensor.contains(".layer.");
    }

    private void rows(ReplacedRows change) throws IOException {
        Optional<TensorInfo> found = targets.weight(change);
        if (found.isEmpty()) {
            return;
        }
        Draft draft = draft(found.get());
        draft.replaceRows(change, adapter.bytes(change.rows()));
    }
}
