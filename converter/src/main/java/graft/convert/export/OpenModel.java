package graft.convert.export;

import graft.convert.ConversionException;
import graft.convert.plan.DeltaBase;
import graft.convert.plan.Workers;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaReader;
import graft.formats.peft.AdapterChange;
import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;
import graft.formats.peft.ReplacedTensor;
import graft.formats.tensor.TensorSource;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** A fine-tune, delta or adapter that stays open while its changes are written. */
final class OpenModel implements AutoCloseable {
    private interface Source extends AutoCloseable {
        @Override
        void close() throws IOException;
    }

    private final Source source;
    private final List<TensorChange> changes;
    private final List<Path> files;
    private final @Nullable PeftAdapter adapter;

    private OpenModel(
            Source source,
            List<TensorChange> changes,
            List<Path> files,
            @Nullable PeftAdapter adapter) {
        this.source = source;
        this.changes = changes;
        this.files = files;
        this.adapter = adapter;
    }

    /**
     * Tells from the folder what it is.
     *
     * @param base what it builds on
     * @throws graft.convert.ConversionException.BaseMismatch if a delta was made for another base
     */
    static OpenModel open(Path path, TensorSource base) throws IOException {
        if (PeftAdapter.isAt(path)) {
            PeftAdapter adapter = openAdapter(path);
            return keep(
                    adapter::close,
                    () -> ModelChanges.ofAdapter(base, adapter),
                    adapter.files(),
                    adapter);
        }
        if (DeltaReader.isAt(path)) {
            DeltaReader delta = DeltaReader.open(path);
            return keep(
                    delta::close,
                    () -> {
                        requireBase(path, delta, base);
                        return ModelChanges.ofDelta(base, delta);
                    },
                    List.of(Path.of(delta.name())),
                    null);
        }
        Checkpoint model = Checkpoint.open(path);
        return keep(
                model::close, () -> ModelChanges.ofCheckpoint(base, model), model.files(), null);
    }

    private static void requireBase(Path path, DeltaReader delta, TensorSource base)
            throws IOException {
        try (var workers = new Workers(0)) {
            if (!DeltaBase.isOf(delta.header(), base, base.name(), workers)) {
                throw DeltaBase.mismatch(
                        delta.header(),
                        path.toString(),
                        base.name(),
                        "rebuild the model with graft apply --force and export that");
            }
        }
    }

    /** An adapter whose changes can all be exported. */
    static PeftAdapter openAdapter(Path path) throws IOException {
        PeftAdapter adapter = PeftAdapter.open(path);
        try {
            for (AdapterChange change : adapter.changes()) {
                boolean handled =
                        change instanceof ReplacedTensor
                                || change instanceof LoraModule module && module.isPlain();
                if (!handled) {
                    adapter.checkLowRankOnly("graft export");
                }
            }
            return adapter;
        } catch (Throwable e) {
            adapter.close();
            throw e;
        }
    }

    private interface Changes {
        List<TensorChange> get() throws IOException;
    }

    private static OpenModel keep(
            Source source, Changes changes, List<Path> files, @Nullable PeftAdapter adapter)
            throws IOException {
        try {
            return new OpenModel(source, changes.get(), files, adapter);
        } catch (Throwable e) {
            source.close();
            throw e;
        }
    }

    List<TensorChange> changes() {
        return changes;
    }

    /**
     * Refuses a model that is its base.
     *
     * @param source what the user called it
     */
    void requireChanges(String source, String base) throws ConversionException.NothingMatched {
        if (changes.isEmpty()) {
            throw new ConversionException.NothingMatched(
                    "%s changes nothing in %s".formatted(source, base),
                    "check that the source is not the base itself");
        }
    }

    /** The adapter it is, if it is one. */
    Optional<PeftAdapter> adapter() {
        return Optional.ofNullable(adapter);
    }

    /** Files it was read from, for the ledger. */
    List<Path> files() {
        return files;
    }

    @Override
    public void close() throws IOException {
        source.close();
    }
}
