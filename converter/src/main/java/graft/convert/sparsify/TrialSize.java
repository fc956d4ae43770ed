package graft.convert.sparsify;

import graft.convert.plan.TensorPair;
import graft.convert.plan.Workers;
import graft.convert.select.ResidualStatistics;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaWriter;
import graft.formats.delta.SparseTensor;
import graft.formats.io.StagedOutput;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * The bytes that deltas will take, found by coding: whole tensors, or the middle of large ones,
 * from which estimates tell the rest. Exact where every tensor is below {@value #SAMPLE} elements.
 */
final class TrialSize {
    static final int SAMPLE = 1 << 18;

    /** Takes the place of a hash, which does not deflate either. */
    private static final String SOME_HASH =
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    private record Sample(TensorPair pair, Estimator estimator) {}

    private final List<OpenPair> models;
    private final List<List<Estimator>> estimators;
    private final List<List<Sample>> samples = new ArrayList<>();
    private final SparsifyOptions options;
    private final String baseSource;
    private final Workers workers;

    TrialSize(
            List<OpenPair> models,
            List<List<Estimator>> estimators,
            SparsifyOptions options,
            String baseSource,
            Workers workers)
            throws IOException {
        this.models = models;
        this.estimators = estimators;
        this.options = options;
        this.baseSource = baseSource;
        this.workers = workers;
        for (int m = 0; m < models.size(); m++) {
            List<TensorPair> pairs = models.get(m).pairs();
            List<Estimator> whole = estimators.get(m);
            samples.add(
                    workers.map(
                            IntStream.range(0, pairs.size()).boxed().toList(),
                            i -> sample(pairs.get(i), whole.get(i))));
        }
    }

    private static Sample sample(TensorPair pair, Estimator whole) throws IOException {
        TensorPair part = pair.middle(SAMPLE);
        if (part.elements() == pair.elements()) {
            return new Sample(pair, whole);
        }
        return new Sample(part, new Estimator(part.model(), ResidualStatistics.of(part)));
    }

    /** Whether nothing is left to estimates. */
    boolean isExact() {
        return samples.stream()
                .flatMap(List::stream)
                .allMatch(sample -> sample.pair.elements() <= SAMPLE);
    }

    /** Bytes of all deltas with these treatments, files whole. */
    long bytes(List<List<Treatment>> treatments) throws IOException {
        Path folder = Files.createTempDirectory("graft-trial");
        try {
            long bytes = 0;
            for (int m = 0; m < models.size(); m++) {
                bytes += bytes(m, treatments.get(m), folder);
            }
            return bytes;
        } finally {
            StagedOutput.deleteTree(folder);
        }
    }

    private long bytes(int m, List<Treatment> treatments, Path folder) throws IOException {
        OpenPair open = models.get(m);
        List<SparseTensor> coded =
                workers.map(
                        IntStream.range(0, treatments.size()).boxed().toList(),
                        i -> code(m, i, treatments.get(i), folder.resolve(m + "-" + i)));
        double beyond = 0;
        for (int i = 0; i < coded.size(); i++) {
            Sample sample = samples.get(m).get(i);
            Estimator whole = estimators.get(m).get(i);
            if (sample.pair.elements() < whole.statistics().elements()) {
                double part = sample.estimator.of(of(m, i, treatments.get(i)), options).bytes();
                double all = whole.of(treatments.get(i), options).bytes();
                double bytes = coded.get(i).bytes();
                beyond += part > 0 ? bytes * (all / part - 1) : all - bytes;
            }
        }
        Map<String, String> tied = new TreeMap<>();
        open.tied().forEach((name, tie) -> tied.put(name, tie.same()));
        var header =
                new DeltaHeader(
                        baseSource,
                        SOME_HASH,
                        options.words(),
                        options.seed(),
                        open.model().metadata(),
                        coded,
                        tied);
        return DeltaWriter.fileBytes(header, open.whole()) + Math.round(beyond);
    }

    private SparseTensor code(int m, int i, Treatment treatment, Path part) throws IOException {
        SparseTensor coded =
                new TensorCoder(samples.get(m).get(i).pair, of(m, i, treatment), options)
                        .write(part);
        Files.deleteIfExists(part);
        return coded;
    }

    /** A tensor's treatment on its sample. */
    private Treatment of(int m, int i, Treatment treatment) {
        long elements = samples.get(m).get(i).pair.elements();
        double share = (double) elements / estimators.get(m).get(i).statistics().elements();
        return treatment instanceof Treatment.Largest(long count)
                ? new Treatment.Largest(Math.min(elements, Math.max(1, Math.round(share * count))))
                : treatment;
    }
}
