package graft.convert.extract;

import graft.convert.linalg.Kernels;
import graft.convert.lowrank.AdapterCut;
import graft.convert.plan.Progress;

import java.nio.file.Path;

/**
 * What to extract and how.
 *
 * @param fineTune file or folder
 * @param source what the user called it; goes into the ledger
 * @param base file or folder
 * @param baseSource what the user called it; goes into the ledger and the adapter
 * @param policy ranks, profile and type of the result
 * @param mostRank no module gets more, whatever the rule says; also how far a budget looks
 * @param embeddings what becomes of embeddings and heads that changed
 * @param factorsOnly whether what is not of low rank is left out
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param dryRun whether to stop after choosing ranks, with nothing left behind
 * @param threads tensors at once; 0 for all cores
 * @param kernel linear algebra to use
 * @param progress hears bytes
 */
public record ExtractRequest(
        Path fineTune,
        String source,
        Path base,
        String baseSource,
        AdapterCut.Policy policy,
        int mostRank,
        Embeddings embeddings,
        boolean factorsOnly,
        Path output,
        boolean force,
        boolean dryRun,
        int threads,
        Kernels.Choice kernel,
        Progress progress) {
    /** What becomes of embeddings and heads that changed. */
    public enum Embeddings {
        /** They are replaced whole. */
        whole,
        /** They get factors as other layers do. */
        factors
    }

    public ExtractRequest {
        if (mostRank < 1) {
            throw new IllegalArgumentException("max-rank %d is below 1".formatted(mostRank));
        }
    }
}
