package graft.convert.reduce;

import graft.convert.linalg.Kernels;
import graft.convert.plan.Progress;

import java.nio.file.Path;

/**
 * What to reduce and how.
 *
 * @param adapter folder of a PEFT LoRA adapter
 * @param source what the user called it; goes into the ledger
 * @param rule new rank of each module
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param dryRun whether to stop after choosing ranks, with nothing written
 * @param threads modules at once; 0 for all cores
 * @param kernel linear algebra to use
 * @param progress hears bytes of factors read, twice: once per pass
 */
public record ReduceRequest(
        Path adapter,
        String source,
        RankRule rule,
        Path output,
        boolean force,
        boolean dryRun,
        int threads,
        Kernels.Choice kernel,
        Progress progress) {}
