package graft.convert.job;

import static org.assertj.core.api.Assertions.assertThat;

import graft.convert.merge.MergeMethod;
import graft.convert.merge.MergeOptions;
import graft.convert.plan.Progress;
import graft.convert.sparsify.Amount;
import graft.convert.sparsify.Gain;
import graft.convert.sparsify.SparsifyOptions;
import graft.convert.sparsify.Values;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

class FingerprintTest {
    @TempDir Path folder;

    @Test
    void sameJobHasTheSameFingerprint() throws IOException {
        var merge = weights("l.1*", "l.*");
        var sparsify = densities("l.1*", "l.*");
        assertThat(fingerprint(merge, sparsify))
                .isEqualTo(fingerprint(weights("l.1*", "l.*"), densities("l.1*", "l.*")));
    }

    /** The first match counts: l.10 has weight 0.5 by one order and 0.1 by the other. */
    @Test
    void orderOfWeightPatternsCounts() throws IOException {
        var one = weights("l.1*", "l.*");
        var other = weights("l.*", "l.1*");
        assertThat(one.patterns()).isEqualTo(other.patterns()); // as a map, which has no order
        assertThat(one.words()).isNotEqualTo(other.words());
        assertThat(fingerprint(one, SparsifyOptions.compact()))
                .isNotEqualTo(fingerprint(other, SparsifyOptions.compact()));
    }

    @Test
    void orderOfDensityPatternsCounts() throws IOException {
        var one = densities("l.1*", "l.*");
        var other = densities("l.*", "l.1*");
        assertThat(one.words()).isNotEqualTo(other.words());
        assertThat(one.words()).containsKeys("density 000 l.1*", "density 001 l.*");
        var merge = MergeOptions.taskArithmetic(0.3);
        assertThat(fingerprint(merge, one)).isNotEqualTo(fingerprint(merge, other));
    }

    private static double share(String pattern) {
        return pattern.equals("l.1*") ? 0.5 : 0.1;
    }

    private static MergeOptions weights(String... names) {
        Map<String, Double> patterns = new LinkedHashMap<>();
        for (String name : names) {
            patterns.put(name, share(name));
        }
        return new MergeOptions(
                MergeMethod.TASK_ARITHMETIC, 0.3, List.of(), patterns, 0.1, 0, false, false, 17);
    }

    private static SparsifyOptions densities(String first, String second) {
        return new SparsifyOptions(
                SparsifyOptions.Select.magnitude,
                SparsifyOptions.Scope.tensor,
                new Amount.Density(0.2),
                Values.exact,
                Gain.none,
                17,
                List.of(
                        new SparsifyOptions.Override(first, share(first)),
                        new SparsifyOptions.Override(second, share(second))));
    }

    private String fingerprint(MergeOptions merge, SparsifyOptions sparsify) throws IOException {
        Path base = folder.resolve("base.safetensors");
        if (!Files.exists(base)) {
            Files.createFile(base);
        }
        return Fingerprint.of(
                new ConvertRequest(
                        List.of(new ConvertRequest.Source(base, "tune")),
                        base,
                        "base",
                        merge,
                        Optional.empty(),
                        sparsify,
                        0.95,
                        Optional.empty(),
                        false,
                        folder.resolve("out"),
                        false,
                        false,
                        false,
                        1,
                        Progress.NONE));
    }
}
