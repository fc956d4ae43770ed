package graft.convert.job;

import graft.convert.merge.MergeOptions;
import graft.convert.plan.Progress;
import graft.convert.sparsify.SparsifyOptions;
import graft.formats.tensor.DType;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The whole job on fine-tunes and adapters of one base.
 *
 * @param sources fine-tunes and adapters, in the order of the merge
 * @param base the checkpoint they started from
 * @param baseSource what the user called it
 * @param merge how θ* is made of the fine-tunes
 * @param dtype type of θ*; empty for the base's own
 * @param sparsify how residuals are stored
 * @param energy share of its energy that every module of an adapter keeps
 * @param graph an ONNX export of the base; empty if there is none
 * @param graphNamed whether the user named the graph; one that was found need not be of the base
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param allowUnrelated whether fine-tunes may be of another base; see {@link
 *     graft.convert.plan.Kinship#check}
 * @param dryRun whether to stop when sizes and errors can be foretold, with nothing written
 * @param threads tensors at once; 0 for all cores
 * @param progress hears bytes read, per phase
 */
public record ConvertRequest(
        List<Source> sources,
        Path base,
        String baseSource,
        MergeOptions merge,
        Optional<DType> dtype,
        SparsifyOptions sparsify,
        double energy,
        Optional<Path> graph,
        boolean graphNamed,
        Path output,
        boolean force,
        boolean allowUnrelated,
        boolean dryRun,
        int threads,
        Progress progress) {
    /**
     * A fine-tune or an adapter.
     *
     * @param path file or folder
     * @param source what the user called it
     */
    public record Source(Path path, String source) {}

    public ConvertRequest {
        sources = List.copyOf(sources);
    }
}
