package graft.convert.sparsify;

import graft.convert.plan.TensorPair;
import graft.convert.select.LargestEntries;
import graft.convert.select.ResidualFigures;
import graft.convert.select.Threshold;
import graft.formats.delta.CounterRandom;
import graft.formats.delta.DeltaPart;
import graft.formats.delta.DrawnPositions;
import graft.formats.delta.IndexCodec;
import graft.formats.delta.IndexSizes;
import graft.formats.delta.SparseTensor;
import graft.formats.delta.SparseTensorWriter;
import graft.formats.delta.ValueCodec;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * Codes the residual of one tensor into a part: a pass to size, one to write, one that reads the
 * part back and measures what applying it gives. State is O(1) but for scales per row. One use, one
 * thread.
 */
final class TensorCoder {
    private static final int ALL = DrawnPositions.ALL;
    private static final int LARGEST = 1 << 24;

    private final TensorPair pair;
    private final Treatment treatment;
    private final SparsifyOptions options;
    private final CounterRandom random;

    TensorCoder(TensorPair pair, Treatment treatment, SparsifyOptions options) {
        this.pair = pair;
        this.treatment = treatment;
        this.options = options;
        this.random = new CounterRandom(pair.model().name(), options.seed());
    }

    /**
     * @param part where it goes; replaced if it is there
     */
    CodedTensor code(Path part) throws IOException {
        Optional<LargestEntries> largest = largest();
        if (largest.isEmpty()) {
            SparseTensor sparse = walked(part);
            return new CodedTensor(sparse, measure(part, sparse));
        }
        try (LargestEntries entries = largest.get()) {
            return code(part, entries);
        }
    }

    private CodedTensor code(Path part, LargestEntries kept) throws IOException {
        SparseTensor sparse = chosen(part, kept);
        try (var opened = DeltaPart.open(part, sparse, options.seed())) {
            return new CodedTensor(sparse, ResidualFigures.measure(kept, opened.entries()));
        }
    }

    /** Whether {@link #code(Path)} looks at the largest entries alone. */
    boolean needsLargestAlone() {
        boolean scalesByRow = options.values() == Values.signrow; // from sums over all entries
        return !scalesByRow && pair.base().dtype() == pair.model().dtype();
    }

    /**
     * The same as {@link #code(Path)} from entries that were gathered without a look at the pair.
     *
     * @param entries for {@link Treatment.Largest}; narrowed to what is kept
     * @return empty if they do not tell all
     */
    Optional<CodedTensor> codeGathered(Path part, LargestEntries entries) throws IOException {
        narrow(entries);
        return entries.isComplete() ? Optional.of(code(part, entries)) : Optional.empty();
    }

    /** The same without a look at what came of it. */
    SparseTensor write(Path part) throws IOException {
        Optional<LargestEntries> largest = largest();
        if (largest.isEmpty()) {
            return walked(part);
        }
        try (LargestEntries entries = largest.get()) {
            return chosen(part, entries);
        }
    }

    /** In passes of constant memory. */
    private SparseTensor walked(Path part) throws IOException {
        Files.deleteIfExists(part);
        return switch (treatment) {
            case Treatment.Nothing _ -> nothing(part);
            case Treatment.Stochastic(double step) -> stochastic(part, (float) step);
            case Treatment.Dithered(double step, double share) ->
                    dithered(part, step, DrawnPositions.parameter(share));
            case Treatment.Largest(long count) -> {
                Threshold threshold = Threshold.of(pair, count);
                yield chosen(part, () -> EntryWalk.above(threshold));
            }
            case Treatment.Above(Threshold threshold) ->
                    chosen(part, () -> EntryWalk.above(threshold));
            case Treatment.Blocks(int keep, int of) ->
                    chosen(part, () -> EntryWalk.blocks(keep, of));
            case Treatment.Drawn(double share) -> drawn(part, DrawnPositions.parameter(share));
        };
    }

    /** What the treatment keeps, where that is a few entries that can be held. */
    private Optional<LargestEntries> largest() throws IOException {
        if (!needsLargestAlone()) {
            return Optional.empty();
        }
        Optional<LargestEntries> entries =
                switch (treatment) {
                    case Treatment.Largest(long count) -> LargestEntries.of(pair, count);
                    case Treatment.Above(Threshold threshold) ->
                            LargestEntries.above(pair, threshold);
                    default -> Optional.empty();
                };
        if (entries.isPresent()) {
            narrow(entries.get());
        }
        return entries;
    }

    private void narrow(LargestEntries held) throws IOException {
        held.keep(
                switch (treatment) {
                    case Treatment.Largest(long count) -> held.threshold(count);
                    case Treatment.Above(Threshold threshold) -> threshold;
                    default -> throw new IllegalStateException(treatment.toString());
                });
    }

    private SparseTensor chosen(Path part, LargestEntries kept) throws IOException {
        Files.deleteIfExists(part);
        KeptSums sums = KeptSums.of(pair, kept);
        SparseTensor plan = plan(sums);
        boolean exact = plan.values() == ValueCodec.EXACT;
        double gain = sums.gain(options.gain());
        float[] values = new float[exact ? 0 : kept.most()];
        try (var writer = SparseTensorWriter.create(part, plan)) {
            kept.walk(some -> {
                if (!exact) {
                    multiply(gain, some.bases(), some.models(), values, some.count());
                }
                writer.add(some.indices(), exact ? some.models() : values, some.count());
            });
            return writer.finish();
        }
    }

    private static void multiply(
            double gain, float[] base, float[] model, float[] into, int count) {
        for (int j = 0; j < count; j++) {
            into[j] = (float) (gain * (model[j] - base[j]));
        }
    }

    private SparseTensor nothing(Path part) throws IOException {
        Files.createFile(part);
        return SparseTensor.empty(pair.model(), ValueCodec.SIGN);
    }

    private SparseTensor stochastic(Path part, float step) throws IOException {
        if (!(step > 0)) {
            return nothing(part);
        }
        var plan = coded(1, IndexCodec.CODED, 0, ValueCodec.STEPS, step);
        try (var writer = SparseTensorWriter.create(part, plan)) {
            pair.walk((first, base, model, count) -> {
                for (int i = 0; i < count; i++) {
                    double x = ((double) model[i] - base[i]) / step;
                    double r = random.at(first + i);
                    double q = Math.copySign(Math.floor(Math.abs(x) + r), x);
                    writer.addInteger(integer(q), r);
                }
            });
            return writer.finish();
        }
    }

    private SparseTensor dithered(Path part, double step, int parameter) throws IOException {
        double share = parameter * 0x1p-30;
        float scale = (float) (step / share);
        if (!(scale > 0) || !Float.isFinite(scale)) {
            return nothing(part);
        }
        boolean all = parameter == ALL;
        var plan =
                coded(
                        all ? pair.elements() : 1,
                        all ? IndexCodec.DENSE : IndexCodec.DRAWN,
                        all ? 0 : parameter,
                        ValueCodec.DITHER,
                        scale);
        EntryWalk walk = EntryWalk.drawn(positions(parameter));
        try (var writer = SparseTensorWriter.create(part, plan)) {
            double level = scale * share;
            pair.walk((first, base, model, count) ->
                    walk.tile(
                            first,
                            base,
                            model,
                            count,
                            (index, i, _) -> {
                                double r = random.at(index);
                                double u = (double) model[i] - base[i];
                                writer.addInteger(integer(Math.rint(u / level + r - 0.5)), r);
                            }));
            return writer.finish();
        }
    }

    private DrawnPositions positions(int parameter) {
        return new DrawnPositions(pair.model().name(), options.seed(), parameter);
    }

    private SparseTensor coded(
            long count, IndexCodec index, int parameter, ValueCodec values, float scale) {
        return new SparseTensor(pair.model(), count, index, parameter, 0, values, 0, scale);
    }

    private static int integer(double value) {
        return Math.clamp((long) value, -LARGEST, LARGEST);
    }

    /** DARE: what is drawn grows by the inverse of the share. */
    private SparseTensor drawn(Path part, int parameter) throws IOException {
        DrawnPositions positions = positions(parameter);
        double gain = ALL / (double) parameter;
        KeptSums sums = KeptSums.of(pair, EntryWalk.drawn(positions), false);
        long count = sums.sizes().count();
        if (count == 0) {
            return nothing(part);
        }
        ValueCodec values = options.values().codec(pair.model().shape());
        long bytes =
                values.bytes(count, SparseTensor.rows(pair.model().shape()), pair.model().dtype());
        boolean all = parameter == ALL;
        var plan =
                new SparseTensor(
                        pair.model(),
                        count,
                        all ? IndexCodec.DENSE : IndexCodec.DRAWN,
                        all ? 0 : parameter,
                        0,
                        values,
                        bytes,
                        values == ValueCodec.SIGN ? (float) (gain * sums.signScale(Gain.none)) : 0);
        try (var writer = SparseTensorWriter.create(part, plan)) {
            add(writer, plan, EntryWalk.drawn(positions), gain);
            return writer.finish();
        }
    }

    @FunctionalInterface
    private interface Walks {
        EntryWalk start();
    }

    private SparseTensor chosen(Path part, Walks walks) throws IOException {
        KeptSums sums = KeptSums.of(pair, walks.start(), options.values() == Values.signrow);
        SparseTensor plan = plan(sums);
        double gain = sums.gain(options.gain());
        try (var writer = SparseTensorWriter.create(part, plan)) {
            if (plan.values() == ValueCodec.SIGN_ROW && plan.count() > 0) {
                for (float scale : sums.rowScales(options.gain())) {
                    writer.addRowScale(scale);
                }
            }
            add(writer, plan, walks.start(), gain);
            return writer.finish();
        }
    }

    /** The entries of a walk: as the model has them, or the residual times {@code gain}. */
    private void add(SparseTensorWriter writer, SparseTensor plan, EntryWalk walk, double gain)
            throws IOException {
        boolean exact = plan.values() == ValueCodec.EXACT;
        pair.walk((first, base, model, count) ->
                walk.tile(
                        first,
                        base,
                        model,
                        count,
                        (index, i, u) -> writer.add(index, exact ? model[i] : (float) (gain * u))));
    }

    private SparseTensor plan(KeptSums sums) {
        IndexSizes.Choice choice = sums.sizes().cheapest();
        ValueCodec values = options.values().codec(pair.model().shape());
        float scale =
                values == ValueCodec.SIGN && sums.sizes().count() > 0
                        ? (float) sums.signScale(options.gain())
                        : 0;
        long rows = SparseTensor.rows(pair.model().shape());
        long count = sums.sizes().count();
        return new SparseTensor(
                pair.model(),
                count,
                choice.codec(),
                choice.parameter(),
                choice.bytes(),
                values,
                values.bytes(count, rows, pair.model().dtype()),
                scale);
    }

    /** Applies the part to the base and compares with the model. */
    private Map<String, Number> measure(Path part, SparseTensor sparse) throws IOException {
        try (var opened = DeltaPart.open(part, sparse, options.seed())) {
            return ResidualFigures.measure(pair, opened.entries(), sparse.count());
        }
    }
}
