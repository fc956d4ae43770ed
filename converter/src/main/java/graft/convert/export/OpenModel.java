package graft.convert.export;

import graft.formats.checkpoint.Checkpoint;
import graft.formats.delta.DeltaReader;
import graft.formats.peft.PeftAdapter;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A fine-tune, delta or adapter that stays open while its changes are written. */
final class OpenModel implements AutoCloseable {
    private interface Source extends AutoCloseable {
        @Override
        void close() throws IOException;
    }

    private final Source source;
    private final List<TensorChange> changes;

    private OpenModel(Source source, List<TensorChange> changes) {
        this.source = source;
        this.changes = changes;
    }

    /**
     * Tells from the folder what it is.
     *
     * @param base what it builds on
     */
    static OpenModel open(Path path, Checkpoint base) throws IOException {
        if (PeftAdapter.isAt(path)) {
            PeftAdapter adapter = PeftAdapter.open(path);
            return keep(
                    adapter::close,
                    () -> {
                        adapter.checkLowRankOnly("graft export");
                        return ModelChanges.ofAdapter(base, adapter);
                    });
        }
        if (DeltaReader.isAt(path)) {
            DeltaReader delta = DeltaReader.open(path);
            return keep(delta::close, () -> ModelChanges.ofDelta(base, delta));
        }
        Checkpoint model = Checkpoint.open(path);
        return keep(model::close, () -> ModelChanges.ofCheckpoint(base, model));
    }

    private interface Changes {
        List<TensorChange> get() throws IOException;
    }

    private static OpenModel keep(Source source, Changes changes) throws IOException {
        try {
            return new OpenModel(source, changes.get());
        } catch (Throwable e) {
            source.close();
            throw e;
        }
    }

    List<TensorChange> changes() {
        return changes;
    }

    @Override
    public void close() throws IOException {
        source.close();
    }
}
