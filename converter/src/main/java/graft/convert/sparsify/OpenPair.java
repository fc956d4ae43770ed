package graft.convert.sparsify;

import graft.convert.ConversionException;
import graft.convert.plan.TensorPair;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A fine-tune beside the base that its delta will build on. Closing it closes the fine-tune, not
 * the base.
 *
 * @param path where the fine-tune lies
 * @param source what the user called it
 * @param pairs tensors of both, by name
 * @param whole what the base lacks, or has in another shape or in a type that cannot be subtracted,
 *     by name
 * @param tied tensors that are another one of {@code pairs} or {@code whole} once more, by name:
 *     they are in neither
 */
record OpenPair(
        Path path,
        String source,
        Checkpoint base,
        Checkpoint model,
        List<TensorPair> pairs,
        List<TensorInfo> whole,
        SortedMap<String, Tie> tied)
        implements AutoCloseable {
    private static final int PROBES = 16;

    /** A tensor that has the bytes of another. */
    record Tie(TensorInfo info, String same) {}

    /**
     * @throws ConversionException.NothingMatched if the two share no tensor
     */
    static OpenPair open(
            Path path, String source, Checkpoint base, String baseSource, SparsifyOptions options)
            throws IOException {
        Checkpoint model = Checkpoint.open(path);
        try {
            List<TensorPair> pairs = new ArrayList<>();
            List<TensorInfo> whole = new ArrayList<>();
            for (TensorInfo info : model.tensors()) {
                Optional<TensorInfo> before = base.find(info.name());
                if (before.isPresent() && TensorPair.isShared(before.get(), info)) {
                    pairs.add(TensorPair.of(base, model, info.name()));
                } else {
                    whole.add(info);
                }
            }
            if (pairs.isEmpty()) {
                throw new ConversionException.NothingMatched(
                        "%s and %s share no tensor of the same name and shape"
                                .formatted(source, baseSource),
                        "check that this is the base the model was fine-tuned from");
            }
            pairs.sort(Comparator.comparing(pair -> pair.model().name()));
            whole.sort(Comparator.comparing(TensorInfo::name));
            SortedMap<String, Tie> tied = ties(pairs, whole, model, options);
            pairs.removeIf(pair -> tied.containsKey(pair.model().name()));
            whole.removeIf(info -> tied.containsKey(info.name()));
            return new OpenPair(path, source, base, model, pairs, whole, tied);
        } catch (Throwable e) {
            model.close();
            throw e;
        }
    }

    /**
     * Matrices that the model holds twice, such as a head that is the embedding; where the base has
     * them, it holds them twice as well, so that a delta of one is a delta of the other. Only those
     * of the same type and shape that agree in a few places are compared. Those of {@code pairs}
     * must also have the same density of their own, if any.
     */
    private static SortedMap<String, Tie> ties(
            List<TensorPair> pairs,
            List<TensorInfo> whole,
            Checkpoint model,
            SparsifyOptions options) {
        SortedMap<String, Tie> tied = new TreeMap<>();
        Map<List<Object>, List<TensorPair>> alike = new HashMap<>();
        List<TensorPair> embeddingsFirst = new ArrayList<>(pairs); // noise hurts those more
        embeddingsFirst.sort(
                Comparator.comparing(pair -> !NoiseAllocation.isEmbedding(pair.model().name())));
        for (TensorPair pair : embeddingsFirst) {
            if (isMatrix(pair.model())) {
                List<Object> key = key(pair.model(), pair.modelBytes());
                key.add(options.ownDensity(pair.model().name()));
                List<TensorPair> others = alike.computeIfAbsent(key, _ -> new ArrayList<>());
                Optional<TensorPair> same =
                        others.stream().filter(other -> isSame(pair, other)).findFirst();
                if (same.isPresent()) {
                    String name = same.get().model().name();
                    tied.put(pair.model().name(), new Tie(pair.model(), name));
                } else {
                    others.add(pair);
                }
            }
        }
        Map<List<Object>, List<TensorInfo>> alone = new HashMap<>();
        for (TensorInfo info : whole) {
            if (isMatrix(info)) {
                MemorySegment bytes = model.bytes(info.name());
                List<TensorInfo> others =
                        alone.computeIfAbsent(key(info, bytes), _ -> new ArrayList<>());
                Optional<TensorInfo> same =
                        others.stream()
                                .filter(o -> bytes.mismatch(model.bytes(o.name())) < 0)
                                .findFirst();
                if (same.isPresent()) {
                    tied.put(info.name(), new Tie(info, same.get().name()));
                } else {
                    others.add(info);
                }
            }
        }
        return tied;
    }

    private static boolean isSame(TensorPair pair, TensorPair other) {
        return pair.modelBytes().mismatch(other.modelBytes()) < 0
                && pair.base().dtype() == other.base().dtype()
                && pair.baseBytes().mismatch(other.baseBytes()) < 0;
    }

    private static boolean isMatrix(TensorInfo info) {
        return info.shape().rank() > 1 && info.bytes() > 0;
    }

    private static List<Object> key(TensorInfo info, MemorySegment bytes) {
        List<Object> key = new ArrayList<>(List.of(info.dtype(), info.shape()));
        long last = bytes.byteSize() - 1;
        for (int i = 0; i <= PROBES; i++) {
            key.add(bytes.get(ValueLayout.JAVA_BYTE, last / PROBES * i));
        }
        return key;
    }

    /** Bytes of tensors stored whole. */
    long wholeBytes() {
        return whole.stream().mapToLong(TensorInfo::bytes).sum();
    }

    @Override
    public void close() {
        model.close();
    }
}
