package graft.convert.sparsify;

import graft.convert.ConversionException;
import graft.convert.plan.TensorPair;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * A fine-tune beside the base that its delta will build on. Closing it closes the fine-tune, not
 * the base.
 *
 * @param path where the fine-tune lies
 * @param source what the user called it
 * @param pairs tensors of both, by name
 * @param whole what the base lacks, or has in another shape or in a type that cannot be subtracted,
 *     by name
 */
record OpenPair(
        Path path,
        String source,
        Checkpoint base,
        Checkpoint model,
        List<TensorPair> pairs,
        List<TensorInfo> whole)
        implements AutoCloseable {
    /**
     * @throws ConversionException.NothingMatched if the two share no tensor
     */
    static OpenPair open(Path path, String source, Checkpoint base, String baseSource)
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
            return new OpenPair(path, source, base, model, pairs, whole);
        } catch (Throwable e) {
            model.close();
            throw e;
        }
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
