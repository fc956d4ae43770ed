package graft.convert.merge;

import graft.convert.ConversionException;
import graft.formats.FileSpot;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** Which Gram matrix belongs to which layer: XᵀX under the name of its weight or of its module. */
final class GramMatrices {
    private static final String WEIGHT = ".weight";

    private GramMatrices() {}

    /**
     * The items with their Gram matrices; those without are left as they are.
     *
     * @throws ConversionException.BaseMismatch if a layer has one in some files only, of a shape
     *     that is not that of its inputs, or one belongs to no layer
     * @throws ConversionException.NothingMatched if the files hold none
     */
    static List<MergeItem> of(List<MergeItem> items, List<Checkpoint> files)
            throws ConversionException {
        Set<String> left = new TreeSet<>();
        for (Checkpoint file : files) {
            file.tensors().forEach(info -> left.add(info.name()));
        }
        List<MergeItem> linear = new ArrayList<>();
        boolean first = false; // a square matrix does not tell, the others do
        for (MergeItem item : items) {
            List<MergeItem.Statistic> grams =
                    item.pairs().isEmpty() || item.info().shape().rank() != 2
                            ? List.of()
                            : find(item.info(), files);
            var known = new MergeItem(item.info(), item.out(), item.pairs(), grams, false);
            linear.add(known);
            if (!grams.isEmpty()) {
                grams.forEach(gram -> left.remove(gram.info().name()));
                first |= !fits(known, 1);
            }
        }
        if (linear.stream().allMatch(item -> item.statistics().isEmpty())) {
            throw new ConversionException.NothingMatched(
                    "the statistics hold a Gram matrix of no layer",
                    "name each as its layer's weight, such as model.layers.0.mlp.up_proj.weight");
        }
        if (!left.isEmpty()) {
            String name = left.iterator().next();
            throw new ConversionException.BaseMismatch(
                    "the statistics hold %s, which is no matrix of the models (%d such)"
                            .formatted(FileSpot.quote(name), left.size()),
                    "name each Gram matrix as its layer's weight");
        }
        List<MergeItem> oriented = new ArrayList<>();
        for (MergeItem item : linear) {
            if (!item.statistics().isEmpty() && first && !fits(item, 0)) {
                throw mismatch(item);
            }
            oriented.add(
                    new MergeItem(item.info(), item.out(), item.pairs(), item.statistics(), first));
        }
        return oriented;
    }

    private static boolean fits(MergeItem item, int axis) {
        long in = item.info().shape().extent(axis);
        return item.statistics().stream()
                .allMatch(gram -> gram.info().shape().equals(Shape.of(in, in)));
    }

    private static ConversionException mismatch(MergeItem item) {
        return new ConversionException.BaseMismatch(
                "the Gram matrix of %s has shape %s, the weight %s"
                        .formatted(
                                FileSpot.quote(item.info().name()),
                                item.statistics().getFirst().info().shape(),
                                item.info().shape()),
                "give XᵀX of the layer's inputs: as wide as the weight's second axis,"
                        + " or first in models that keep weights transposed");
    }

    private static List<MergeItem.Statistic> find(TensorInfo info, List<Checkpoint> files)
            throws ConversionException {
        String name = info.name();
        String module =
                name.endsWith(WEIGHT) ? name.substring(0, name.length() - WEIGHT.length()) : name;
        List<MergeItem.Statistic> found = new ArrayList<>();
        for (Checkpoint file : files) {
            Optional<TensorInfo> gram = file.find(name).or(() -> file.find(module));
            if (gram.filter(g -> g.dtype().isComputable()).isPresent()) {
                found.add(new MergeItem.Statistic(gram.get(), file.bytes(gram.get().name())));
            }
        }
        if (!found.isEmpty() && found.size() < files.size()) {
            throw new ConversionException.BaseMismatch(
                    "%d of %d files of statistics have a Gram matrix of %s"
                            .formatted(found.size(), files.size(), FileSpot.quote(name)),
                    "give one of every layer in each file, or in none");
        }
        return found;
    }
}
