package graft.convert.merge;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.linalg.Kernel;
import graft.convert.linalg.Kernels;
import graft.convert.plan.InputHashes;
import graft.convert.plan.Inputs;
import graft.convert.plan.Journal;
import graft.convert.plan.Kinship;
import graft.convert.plan.OneTensor;
import graft.convert.plan.TensorPair;
import graft.convert.plan.TileWatcher;
import graft.convert.plan.Workers;
import graft.convert.select.Threshold;
import graft.convert.select.TopEntries;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.io.SideFiles;
import graft.formats.tensor.DType;
import graft.formats.tensor.TensorInfo;
import graft.formats.tensor.TensorSink;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;

/**
 * Fine-tunes of one base → one merged model θ*, an ordinary checkpoint; see {@link MergeMethod}.
 *
 * <p>A tensor that no fine-tune has, or that differs in rows, is the base's; one that only
 * fine-tunes have, such as a head, is in none. Memory is a few tiles per fine-tune and thread.
 * Stateless, safe from any thread; the output does not depend on the number of threads.
 */
public final class MergeModels {
    private static final String HASH = "sha256"; // of a tensor, in the journal

    /**
     * @throws ConversionException.BaseMismatch if the fine-tunes do not fit the base or each other
     * @throws ConversionException.NothingMatched if not one tensor is shared
     * @throws ConversionException.UnusableValues at the first NaN or infinity of the result
     * @throws ConversionException.OutputExists if the output is there and may not be replaced
     */
    public Ledger run(MergeRequest request) throws IOException {
        return run(request, false);
    }

    /** What {@link #run} would do, from headers and a sample of the weights. */
    public Ledger plan(MergeRequest request) throws IOException {
        return run(request, true);
    }

    private Ledger run(MergeRequest request, boolean dryRun) throws IOException {
        long start = System.nanoTime();
        try (var open = Opened.of(request);
                var workers = new Workers(request.threads());
                var hashes = new InputHashes()) {
            List<MergeItem> items = open.plan();
            List<String> warnings = new ArrayList<>(open.warnings());
            warnings.addAll(kinship(request, items));
            open.hashInto(hashes);
            if (dryRun) {
                List<TensorRecord> records = items.stream().map(MergeModels::record).toList();
                return ledger(request, hashes.get(), records, List.of(), warnings);
            }
            try (var staged = Inputs.stage(request.output(), request.force())) {
                Merged merged =
                        write(
                                request,
                                open,
                                items,
                                staged.path(),
                                Optional.empty(),
                                workers,
                                TileWatcher.NONE);
                List<Ledger.Output> outputs = LedgerWriter.outputs(staged.path(), merged.files());
                Ledger ledger = ledger(request, hashes.get(), merged.records(), outputs, warnings);
                LedgerWriter.write(staged.path(), ledger, workers.figuresSince(start));
                staged.commit();
                return ledger;
            }
        }
    }

    private static TensorRecord record(MergeItem item) {
        return TensorRecord.of(
                item.info(),
                item.pairs().isEmpty() ? "carried" : "merged",
                item.out().bytes(),
                Map.of());
    }

    /**
     * What {@link #into} did.
     *
     * @param hashes SHA-256 of merged tensors as far as they are known, by name
     * @param files SHA-256 of the files they lie in
     */
    public record Merged(
            List<TensorRecord> records,
            List<String> warnings,
            Map<String, String> hashes,
            Map<Path, String> files) {}

    /**
     * Merges into an existing folder, leaving out tensors that the journal knows from a run before.
     *
     * @param watcher sees what is merged element by element, without thresholds
     */
    public Merged into(
            MergeRequest request,
            Path folder,
            Journal journal,
            Workers workers,
            TileWatcher watcher)
            throws IOException {
        try (var open = Opened.of(request)) {
            return write(
                    request, open, open.plan(), folder, Optional.of(journal), workers, watcher);
        }
    }

    /**
     * Checks that the fine-tunes fit the base and each other, from headers and a sample of their
     * weights.
     *
     * @return where that is allowed, a line for each that is no fine-tune of the base
     * @throws ConversionException.BaseMismatch if they do not fit
     */
    public List<String> check(MergeRequest request) throws IOException {
        try (var open = Opened.of(request)) {
            return kinship(request, open.plan());
        }
    }

    private static List<String> kinship(MergeRequest request, List<MergeItem> items)
            throws ConversionException {
        List<String> warnings = new ArrayList<>();
        for (int m = 0; m < request.fineTunes().size(); m++) {
            int model = m;
            List<TensorPair> pairs =
                    items.stream()
                            .filter(item -> !item.pairs().isEmpty())
                            .map(item -> item.pairs().get(model))
                            .toList();
            String source = request.fineTunes().get(m).source();
            warnings.addAll(
                    Kinship.check(pairs, source, request.baseSource(), request.allowUnrelated()));
        }
        return warnings;
    }

    /** Sees one merged tensor. */
    @FunctionalInterface
    public interface Visitor {
        /**
         * @param model number of the fine-tune
         * @param pair the fine-tune's tensor beside the merged one, which lives as long as the call
         */
        void visit(int model, TensorPair pair) throws IOException;
    }

    /**
     * Merges tensor by tensor in native memory and hands each out beside every fine-tune's, on any
     * thread of the pool; nothing is written. Memory is the largest tensor per thread.
     */
    public void forEach(MergeRequest request, Workers workers, Visitor visitor) throws IOException {
        try (var open = Opened.of(request)) {
            List<MergeItem> items = open.plan();
            List<List<TileMerge.Trim>> trims = globalTrims(request, items, workers);
            request.progress()
                    .phase(
                            "measure %d models".formatted(request.fineTunes().size()),
                            items.stream().mapToLong(MergeItem::bytes).sum());
            workers.map(
                    IntStream.range(0, items.size()).boxed().toList(),
                    i -> {
                        MergeItem item = items.get(i);
                        if (!item.pairs().isEmpty()) {
                            show(request, item, i, trims, visitor);
                        }
                        request.progress().advance(item.bytes());
                        return i;
                    });
        }
    }

    private static void show(
            MergeRequest request,
            MergeItem item,
            int index,
            List<List<TileMerge.Trim>> trims,
            Visitor visitor)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment merged = arena.allocate(Math.max(1, item.out().bytes()), 64);
            tile(
                    request,
                    item,
                    index,
                    trims,
                    new TensorSink() {
                        @Override
                        public void write(String tensor, long at, MemorySegment bytes) {
                            MemorySegment.copy(bytes, 0, merged, at, bytes.byteSize());
                        }

                        @Override
                        public void close() {}
                    },
                    TileWatcher.NONE);
            for (int m = 0; m < item.pairs().size(); m++) {
                TensorPair pair = item.pairs().get(m);
                var inMemory = new OneTensor(item.out(), merged);
                visitor.visit(
                        m, new TensorPair(item.out(), inMemory, pair.model(), pair.modelSource()));
            }
        }
    }

    private record Opened(
            MergeRequest request,
            Checkpoint base,
            List<Checkpoint> models,
            List<Checkpoint> statistics)
            implements AutoCloseable {
        static Opened of(MergeRequest request) throws IOException {
            var open =
                    new Opened(
                            request,
                            Checkpoint.open(request.base()),
                            new ArrayList<>(),
                            new ArrayList<>());
            try {
                for (var fineTune : request.fineTunes()) {
                    open.models.add(Checkpoint.open(fineTune.path()));
                }
                for (Path path : request.statistics()) {
                    open.statistics.add(Checkpoint.open(path));
                }
                return open;
            } catch (Throwable e) {
                open.close();
                throw e;
            }
        }

        List<MergeItem> plan() throws ConversionException {
            return MergePlan.of(request, base, models, statistics);
        }

        void hashInto(InputHashes hashes) {
            hashes.add("base", request.baseSource(), base.files());
            for (int i = 0; i < models.size(); i++) {
                hashes.add("fine-tune", request.fineTunes().get(i).source(), models.get(i).files());
            }
            request.recipe()
                    .ifPresent(file -> hashes.add("recipe", file.toString(), List.of(file)));
            for (Checkpoint file : statistics) {
                hashes.add("statistics", file.name(), file.files());
            }
        }

        List<String> warnings() {
            List<String> warnings = new ArrayList<>(base.warnings());
            models.forEach(model -> warnings.addAll(model.warnings()));
            return warnings;
        }

        @Override
        public void close() {
            statistics.forEach(Checkpoint::close);
            models.forEach(Checkpoint::close);
            base.close();
        }
    }

    private static Merged write(
            MergeRequest request,
            Opened open,
            List<MergeItem> items,
            Path folder,
            Optional<Journal> journal,
            Workers workers,
            TileWatcher watcher)
            throws IOException {
        List<List<TileMerge.Trim>> trims = globalTrims(request, items, workers);
        request.progress()
                .phase(
                        "merge %d models".formatted(request.fineTunes().size()),
                        items.stream().mapToLong(MergeItem::bytes).sum());
        List<TensorInfo> tensors = items.stream().map(MergeItem::out).toList();
        Map<String, String> metadata = open.base().metadata();
        List<TensorRecord> records;
        Map<String, String> hashes = new ConcurrentHashMap<>();
        Map<Path, String> files;
        try (var out =
                CheckpointWriter.createOrReopen(folder, tensors, metadata, request.maxShardBytes())
                        .hashing()) {
            records =
                    workers.map(
                            IntStream.range(0, items.size()).boxed().toList(),
                            i -> {
                                MergeItem item = items.get(i);
                                Work work = () -> one(request, open, item, i, trims, out, watcher);
                                (journal.isEmpty()
                                                ? work.run()
                                                : once(
                                                        journal.get(),
                                                        "merged-" + i,
                                                        item,
                                                        work,
                                                        out))
                                        .ifPresent(hash -> hashes.put(item.info().name(), hash));
                                request.progress().advance(item.bytes());
                                return record(item);
                            });
            files = out.sha256();
        }
        SideFiles.copy(request.base(), folder);
        return new Merged(records, open.warnings(), hashes, files);
    }

    /** Writes a tensor; gives its hash where that cost nothing more. */
    private interface Work {
        Optional<String> run() throws IOException;
    }

    private static Optional<String> once(
            Journal journal, String key, MergeItem item, Work work, CheckpointWriter out)
            throws IOException {
        Optional<JsonNode> known = journal.find(key);
        if (known.isPresent()) {
            out.keep(item.info().name());
            return Optional.ofNullable(known.get().path(HASH).textValue());
        }
        Optional<String> hash = work.run();
        var document = JsonNodeFactory.instance.objectNode();
        hash.ifPresent(hex -> document.put(HASH, hex));
        journal.record(key, document);
        return hash;
    }

    private static Optional<String> one(
            MergeRequest request,
            Opened open,
            MergeItem item,
            int index,
            List<List<TileMerge.Trim>> trims,
            TensorSink out,
            TileWatcher watcher)
            throws IOException {
        if (item.pairs().isEmpty()) {
            out.write(item.info().name(), 0, open.base().bytes(item.info().name()));
            return Optional.empty();
        }
        if (watcher == TileWatcher.NONE) {
            tile(request, item, index, trims, out, watcher);
            return Optional.empty();
        }
        var hashed = new HashedSink(out, item.out().bytes());
        tile(request, item, index, trims, hashed, watcher);
        return hashed.hash();
    }

    private static void tile(
            MergeRequest request,
            MergeItem item,
            int index,
            List<List<TileMerge.Trim>> trims,
            TensorSink out,
            TileWatcher watcher)
            throws IOException {
        MergeOptions options = request.options();
        boolean matrix = item.info().shape().rank() == 2 && item.info().shape().elements() > 0;
        if (options.method() == MergeMethod.TSV && matrix) {
            new SingularMerge(kernel(), item, options).run(out);
            return;
        }
        if (options.method() == MergeMethod.REGMEAN && !item.statistics().isEmpty()) {
            new RegressionMerge(kernel(), item, options).run(out);
            return;
        }
        List<TileMerge.Trim> own = new ArrayList<>();
        if (options.method().trims()) {
            for (int m = 0; m < item.pairs().size(); m++) {
                own.add(
                        options.globally()
                                ? trims.get(m).get(index)
                                : trim(options, m, item.pairs().get(m)));
            }
        }
        var merge = new TileMerge(item, options, own);
        if (!own.isEmpty()) {
            merge.run(out, Optional.empty());
            return;
        }
        Optional<TileWatcher.Watch> watch = watcher.watch(item.out(), merge::preview);
        try {
            merge.run(out, watch);
        } finally {
            watch.ifPresent(TileWatcher.Watch::close);
        }
    }

    private static Kernel kernel() {
        return Kernels.select(Kernels.Choice.auto);
    }

    /** Counts are rounded down, as mergekit has them. */
    private static TileMerge.Trim trim(MergeOptions options, int m, TensorPair pair)
            throws IOException {
        long n = pair.elements();
        String name = pair.model().name();
        long target = (long) (options.densityOf(m, name) * n);
        if (options.method() == MergeMethod.TIES) {
            return new TileMerge.Trim(Threshold.of(pair, Math.max(1, target)), Threshold.none());
        }
        long gamma = (long) (options.gammaOf(m, name) * n);
        long top = Math.min(gamma, n - Math.min(n, target));
        return new TileMerge.Trim(
                Threshold.of(pair, Math.min(n, target + top)), Threshold.of(pair, top));
    }

    /** Per fine-tune and item, where trimming looks at all tensors together. */
    private static List<List<TileMerge.Trim>> globalTrims(
            MergeRequest request, List<MergeItem> items, Workers workers) throws IOException {
        MergeOptions options = request.options();
        List<List<TileMerge.Trim>> trims = new ArrayList<>();
        if (!options.method().trims() || !options.globally()) {
            return trims;
        }
        List<MergeItem> merged =
                items.stream()
                        .filter(item -> !item.pairs().isEmpty())
                        .sorted(java.util.Comparator.comparing(item -> item.info().name()))
                        .toList();
        for (int m = 0; m < request.fineTunes().size(); m++) {
            int model = m;
            List<TensorPair> pairs = merged.stream().map(item -> item.pairs().get(model)).toList();
            long n = pairs.stream().mapToLong(TensorPair::elements).sum();
            long target = (long) Math.floor(options.density() * n + 0.5);
            var select = new TopEntries(pairs, workers, request.progress());
            long top = options.method() == MergeMethod.TIES ? 0 : (long) (options.gamma() * n);
            List<Threshold> low = select.all(Math.min(n, target + top));
            List<Threshold> high = select.all(top);
            Map<MergeItem, TileMerge.Trim> byItem = new java.util.IdentityHashMap<>();
            for (int i = 0; i < merged.size(); i++) {
                byItem.put(merged.get(i), new TileMerge.Trim(low.get(i), high.get(i)));
            }
            var none = new TileMerge.Trim(Threshold.none(), Threshold.none());
            trims.add(items.stream().map(item -> byItem.getOrDefault(item, none)).toList());
        }
        return trims;
    }

    private static Ledger ledger(
            MergeRequest request,
            List<Ledger.Input> inputs,
            List<TensorRecord> records,
            List<Ledger.Output> outputs,
            List<String> warnings) {
        long merged = records.stream().filter(r -> r.treatment().equals("merged")).count();
        Map<String, Object> options = new TreeMap<>(request.options().words());
        options.put("dtype", request.dtype().map(DType::name).orElse("as the base"));
        return new Ledger(
                "merge",
                inputs,
                options,
                outputs,
                records,
                Map.of("tensorsMerged", merged, "tensorsCarried", records.size() - merged),
                warnings);
    }
}
