package graft.convert.sparsify;

import graft.convert.plan.Journal;
import graft.convert.plan.OneTensor;
import graft.convert.plan.TensorPair;
import graft.convert.plan.TileWatcher;
import graft.convert.select.LargestEntries;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;

/**
 * Codes deltas of several fine-tunes while the model they build on is made, from tiles that are in
 * the cache: {@link SparsifyBatch#write} finds them in the journal and does the rest. Left to that
 * is a tensor whose treatment depends on more than itself, whatever needs a second look, and what
 * finds no room in memory; bytes are the same. Safe from any thread.
 */
public final class DeltasAhead implements TileWatcher, AutoCloseable {
    /** Entries that are held at most by all threads together, 12 bytes each. */
    private static final long MOST = 24 << 20;

    private final List<Checkpoint> models = new ArrayList<>();
    private final List<UnaryOperator<String>> keys = new ArrayList<>();
    private final SparsifyOptions options;
    private final Journal journal;
    private final AtomicLong room = new AtomicLong(MOST);
    private final LargestEntries.Blocks blocks = new LargestEntries.Blocks();

    private DeltasAhead(SparsifyOptions options, Journal journal) {
        this.options = options;
        this.journal = journal;
    }

    /**
     * @param models in the order of those that are merged, and of {@link SparsifyBatch}
     */
    public static DeltasAhead open(List<Path> models, SparsifyOptions options, Journal journal)
            throws IOException {
        var ahead = new DeltasAhead(options, journal);
        try {
            for (Path model : models) {
                Checkpoint opened = Checkpoint.open(model);
                ahead.keys.add(SparsifyBatch.keys(ahead.models.size(), opened));
                ahead.models.add(opened);
            }
            return ahead;
        } catch (Throwable e) {
            ahead.close();
            throw e;
        }
    }

    @Override
    public Optional<Watch> watch(TensorInfo made, Preview preview) throws IOException {
        List<Part> parts = new ArrayList<>();
        for (int m = 0; m < models.size(); m++) {
            Optional<TensorInfo> model = models.get(m).find(made.name());
            if (model.isPresent()) {
                part(made, m, model.get(), parts).ifPresent(parts::add);
            }
        }
        if (parts.isEmpty()) {
            return Optional.empty();
        }
        LargestEntries.sample(
                made.shape().elements(),
                (first, count) ->
                        preview.walk(
                                first,
                                count,
                                (_, base, tuned, n) -> {
                                    for (Part part : parts) {
                                        part.entries.look(base, tuned[part.model], n);
                                    }
                                }));
        return Optional.of(new Parts(parts));
    }

    private Optional<Part> part(TensorInfo made, int m, TensorInfo model, List<Part> others)
            throws IOException {
        if (!TensorPair.isShared(made, model) || model.shape().elements() > Integer.MAX_VALUE) {
            return Optional.empty();
        }
        Optional<Treatment> treatment = new TreatmentPlan(options).alone(model);
        if (treatment.isEmpty() || !(treatment.get() instanceof Treatment.Largest(long count))) {
            return Optional.empty();
        }
        var nowhere = new OneTensor(made, MemorySegment.NULL);
        var pair = new TensorPair(made, nowhere, model, models.get(m));
        var coder = new TensorCoder(pair, treatment.get(), options);
        String key = keys.get(m).apply(model.name());
        long most = count + count / 8 + 4096; // the floor lies a little below the threshold
        if (!coder.needsLargestAlone() || journal.find(key).isPresent() || !takeRoom(most)) {
            return Optional.empty();
        }
        List<LargestEntries.Gathering> beside = others.stream().map(Part::entries).toList();
        var entries = new LargestEntries.Gathering(pair, count, most, beside, blocks);
        return Optional.of(new Part(m, coder, key, most, entries));
    }

    private boolean takeRoom(long entries) {
        if (room.addAndGet(-entries) >= 0) {
            return true;
        }
        room.addAndGet(entries);
        return false;
    }

    /** One model's delta of one tensor. */
    private record Part(
            int model,
            TensorCoder coder,
            String key,
            long most,
            LargestEntries.Gathering entries) {}

    /** What is coded of one tensor. */
    private final class Parts implements Watch {
        private final List<Part> parts;

        Parts(List<Part> parts) {
            this.parts = parts;
        }

        @Override
        public void visit(long first, float[] made, float[][] tuned, int count) {
            for (Part part : parts) {
                part.entries.take(first, made, tuned[part.model], count);
            }
        }

        @Override
        public void end() throws IOException {
            for (Part part : parts) {
                Optional<LargestEntries> entries = part.entries.end();
                if (entries.isEmpty()) {
                    continue;
                }
                Path file = journal.file(part.key);
                Optional<CodedTensor> coded = part.coder.codeGathered(file, entries.get());
                if (coded.isPresent()) {
                    journal.record(part.key, coded.get().toJson());
                }
            }
        }

        @Override
        public void close() {
            for (Part part : parts) {
                part.entries.close();
                room.addAndGet(part.most);
            }
        }
    }

    @Override
    public void close() {
        models.forEach(Checkpoint::close);
        blocks.close();
    }
}
