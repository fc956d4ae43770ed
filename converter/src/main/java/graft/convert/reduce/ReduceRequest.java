package graft.convert.reduce;

import graft.convert.linalg.Kernels;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.RankRule;
import graft.convert.plan.Progress;
import graft.formats.peft.AdapterProfile;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What to reduce and how.
 *
 * @param command verb for the ledger: {@code reduce}, or {@code combine} for a weighted sum
 * @param sources adapters whose sum is reduced; usually one
 * @param policy ranks, profile and type of the result
 * @param base whose weights a budget measures errors against
 * @param factorsOnly whether tensors that adapters replace whole are left out
 * @param output folder to create
 * @param force whether an existing output is replaced
 * @param dryRun whether to stop after choosing ranks, with nothing written
 * @param threads modules at once; 0 for all cores
 * @param kernel linear algebra to use
 * @param progress hears bytes of factors read, twice: once per pass
 */
public record ReduceRequest(
        String command,
        List<Source> sources,
        AdapterCut.Policy policy,
        Optional<Base> base,
        boolean factorsOnly,
        Path output,
        boolean force,
        boolean dryRun,
        int threads,
        Kernels.Choice kernel,
        Progress progress) {
    /**
     * An adapter to read.
     *
     * @param folder of a PEFT LoRA adapter
     * @param name what the user called it; goes into the ledger
     * @param weight what its ΔW is multiplied by in the sum
     */
    public record Source(Path folder, String name, double weight) {}

    /**
     * A base model.
     *
     * @param path file or folder
     * @param name what the user called it
     */
    public record Base(Path path, String name) {}

    public ReduceRequest {
        sources = List.copyOf(sources);
        if (sources.isEmpty()) {
            throw new IllegalArgumentException("nothing to reduce");
        }
    }

    /** One adapter to ranks by a rule, for PEFT, on one thread, without a word. */
    public static ReduceRequest of(Path adapter, String name, RankRule rule, Path output) {
        var policy = new AdapterCut.Policy(rule, AdapterProfile.pattern, Optional.empty());
        return of(adapter, name, policy, output);
    }

    /** One adapter under a policy, on one thread, without a word. */
    public static ReduceRequest of(
            Path adapter, String name, AdapterCut.Policy policy, Path output) {
        return new ReduceRequest(
                "reduce",
                List.of(new Source(adapter, name, 1)),
                policy,
                Optional.empty(),
                false,
                output,
                false,
                false,
                1,
                Kernels.Choice.auto,
                Progress.NONE);
    }

    /** The same on so many threads. */
    public ReduceRequest withThreads(int count) {
        return with(count, dryRun);
    }

    /** The same, which writes nothing if {@code dry}. */
    public ReduceRequest withDryRun(boolean dry) {
        return with(threads, dry);
    }

    private ReduceRequest with(int count, boolean dry) {
        return new ReduceRequest(
                command,
                sources,
                policy,
                base,
                factorsOnly,
                output,
                force,
                dry,
                count,
                kernel,
                progress);
    }
}
