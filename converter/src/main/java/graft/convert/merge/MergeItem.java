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
 * @param statistics one per fine-tune, where the method weighs by them; none for a tensor that has
 *     none
 * @param inputsFirst whether a matrix multiplies inputs by its first axis, as GPT-2's Conv1D does
 */
record MergeItem(
        TensorInfo info,
        TensorInfo out,
        List<TensorPair> pairs,
        List<Statistic> statistics,
        boolean inputsFirst) {
    /** A tensor of statistics: of the same shape, or a Gram matrix. */
    record Statistic(TensorInfo info, MemorySegment bytes) {}

    /** Bytes read to merge it. */
    long bytes() {
        return info.bytes()
                + pairs.stream().mapToLong(pair -> pair.model().bytes()).sum()
                + statistics.stream().mapToLong(statistic -> statistic.info().bytes()).sum();
    }
}
