package graft.convert.merge;

import graft.convert.plan.TensorPair;
import graft.formats.tensor.TensorInfo;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A tensor of the base and its counterparts.
 *
 * @param info what it is in the base
 * @param out what it will be in the merged model
 * @param pairs one per fine-tune, in their order; none if the tensor is carried over
 * @param statistics one per fine-tune, where the method weighs by them
 */
record MergeItem(
        TensorInfo info, TensorInfo out, List<TensorPair> pairs, List<Statistic> statistics) {
    /** A tensor of statistics: same shape. */
    record Statistic(TensorInfo info, MemorySegment bytes) {}

    /** Bytes read to merge it. */
    long bytes() {
        return info.bytes()
                + pairs.stream().mapToLong(pair -> pair.model().bytes()).sum()
                + statistics.stream().mapToLong(statistic -> statistic.info().bytes()).sum();
    }
}
