package graft.convert.merge;

import graft.convert.ConversionException;
import graft.convert.linalg.Scratch;
import graft.convert.plan.TensorPair;
import graft.formats.FileSpot;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Which tensors are merged and which are carried; refuses fine-tunes that do not fit together. */
final class MergePlan {
    private static final int SHOWN = 5;

    private MergePlan() {}

    /**
     * @throws ConversionException.BaseMismatch listing what is missing or has another shape
     * @throws ConversionException.NothingMatched if not one tensor is shared
     * @throws ConversionException.TooLarge if the method cannot decompose one of them
     */
    static List<MergeItem> of(
            MergeRequest request,
            Checkpoint base,
            List<Checkpoint> models,
            List<Checkpoint> statistics)
            throws ConversionException {
        List<MergeItem> items = new ArrayList<>();
        List<String> differences = new ArrayList<>();
        boolean gram = request.options().method() == MergeMethod.REGMEAN;
        int merged = 0;
        for (TensorInfo info : base.tensors()) {
            List<TensorPair> pairs = pairs(request, base, models, info, differences);
            boolean isMerged = pairs.size() == models.size();
            merged += isMerged ? 1 : 0;
            TensorInfo out =
                    !isMerged || request.dtype().isEmpty()
                            ? info
                            : new TensorInfo(info.name(), request.dtype().get(), info.shape());
            items.add(
                    new MergeItem(
                            info,
                            out,
                            isMerged ? pairs : List.of(),
                            isMerged && !gram ? statistics(statistics, info) : List.of(),
                            false));
        }
        if (!differences.isEmpty()) {
            throw mismatch(request, differences);
        }
        if (merged == 0) {
            throw new ConversionException.NothingMatched(
                    "the fine-tunes share no tensor with " + request.baseSource(),
                    "check that this is the base they were fine-tuned from");
        }
        List<MergeItem> planned = gram ? GramMatrices.of(items, statistics) : items;
        for (MergeItem item : planned) {
            checkSize(request.options().method(), item);
        }
        return planned;
    }

    /** What is decomposed, a square matrix, has to fit into {@link Scratch}. */
    private static void checkSize(MergeMethod method, MergeItem item) throws ConversionException {
        long[] extents = item.info().shape().toArray();
        boolean regression = method == MergeMethod.REGMEAN && !item.statistics().isEmpty();
        boolean singular = method == MergeMethod.TSV && !item.pairs().isEmpty();
        if (extents.length != 2 || !regression && !singular) {
            return;
        }
        long side =
                regression ? extents[item.inputsFirst() ? 0 : 1] : Math.min(extents[0], extents[1]);
        if (side > 0 && !Scratch.holds(side, side)) {
            throw new ConversionException.TooLarge(
                    "tensor %s of shape %s: %s needs a matrix of %d×%d in float64, 2 GiB or more"
                            .formatted(
                                    FileSpot.quote(item.info().name()),
                                    item.info().shape(),
                                    method.word(),
                                    side,
                                    side),
                    regression
                            ? "leave its Gram matrix out (the mean is taken), or choose another"
                                    + " --method"
                            : "choose another --method");
        }
    }

    private static ConversionException mismatch(MergeRequest request, List<String> differences) {
        List<String> shown = differences.subList(0, Math.min(SHOWN, differences.size()));
        int more = differences.size() - shown.size();
        return new ConversionException.BaseMismatch(
                "the fine-tunes do not fit %s in %d places: %s%s"
                        .formatted(
                                request.baseSource(),
                                differences.size(),
                                String.join("; ", shown),
                                more > 0 ? "; and %d more".formatted(more) : ""),
                "convert fine-tunes of one base and architecture; graft inspect shows what each holds");
    }

    /** The counterparts of {@code info}; fewer than models if it is to be carried over. */
    private static List<TensorPair> pairs(
            MergeRequest request,
            Checkpoint base,
            List<Checkpoint> models,
            TensorInfo info,
            List<String> differences) {
        List<TensorPair> pairs = new ArrayList<>();
        List<String> problems = new ArrayList<>();
        boolean anywhere = false;
        for (int m = 0; m < models.size(); m++) {
            Optional<TensorInfo> found = models.get(m).find(info.name());
            String source = request.fineTunes().get(m).source();
            anywhere |= found.isPresent();
            if (found.isEmpty()) {
                problems.add("%s lacks %s".formatted(source, FileSpot.quote(info.name())));
            } else if (TensorPair.isShared(info, found.get())) {
                pairs.add(TensorPair.of(base, models.get(m), info.name()));
            } else if (!isResized(info.shape(), found.get().shape())) {
                problems.add(
                        "%s has %s as %s %s, the base as %s %s"
                                .formatted(
                                        source,
                                        FileSpot.quote(info.name()),
                                        found.get().dtype(),
                                        found.get().shape(),
                                        info.dtype(),
                                        info.shape()));
            }
        }
        if (anywhere && info.dtype().isComputable()) {
            differences.addAll(problems);
        }
        return pairs;
    }

    /** Heads and vocabularies differ in rows alone: they go whole, they are no mistake. */
    private static boolean isResized(Shape base, Shape model) {
        boolean same = base.rank() == model.rank() && base.rank() > 0;
        for (int axis = 1; same && axis < base.rank(); axis++) {
            same = base.extent(axis) == model.extent(axis);
        }
        return same;
    }

    private static List<MergeItem.Statistic> statistics(
            List<Checkpoint> statistics, TensorInfo info) throws ConversionException {
        List<MergeItem.Statistic> found = new ArrayList<>();
        for (Checkpoint file : statistics) {
            TensorInfo other = file.find(info.name()).orElse(null);
            if (other == null
                    || !other.shape().equals(info.shape())
                    || !other.dtype().isComputable()) {
                throw new ConversionException.BaseMismatch(
                        "%s has no statistics for %s of shape %s"
                                .formatted(file.name(), FileSpot.quote(info.name()), info.shape()),
                        "give one file per fine-tune, with a tensor for every weight");
            }
            found.add(new MergeItem.Statistic(other, file.bytes(info.name())));
        }
        return found;
    }
}
