package graft.convert.cli;

import graft.convert.linalg.Kernels;
import graft.convert.lowrank.AdapterCut;
import graft.convert.lowrank.RankRule;
import graft.formats.peft.AdapterProfile;
import graft.formats.tensor.DType;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Option;

import java.util.Optional;

/** How a verb writes an adapter. */
final class AdapterOptions {
    @Option(
            names = "--profile",
            paramLabel = "pattern|uniform|gguf|kohya",
            description =
                    "Who reads it: PEFT (ranks by pattern), runtimes that know one rank (zero-padded),"
                            + " llama.cpp's converter, or sd-scripts. Files of sd-scripts and of"
                            + " diffusers stay what they are.")
    AdapterProfile profile = AdapterProfile.pattern;

    @Option(
            names = "--dtype",
            paramLabel = FloatTypes.LABEL,
            converter = FloatTypes.class,
            description = "Type of the new factors; the source's if not given.")
    @Nullable DType dtype;

    @Option(
            names = "--min-rank",
            paramLabel = "N",
            description =
                    "Rank that --params and --size give every module before sharing out the rest.")
    int minRank;

    @Option(
            names = "--factors-only",
            description = "Leave out tensors that are replaced whole, such as heads and norms.")
    boolean factorsOnly;

    @Option(
            names = "--kernel",
            paramLabel = "auto|openblas|ejml",
            description = "Linear algebra: native, pure Java, or whichever loads.")
    Kernels.Choice kernel = Kernels.Choice.auto;

    AdapterCut.Policy policy(RankRule rule) {
        return new AdapterCut.Policy(rule, profile, Optional.ofNullable(dtype));
    }
}
