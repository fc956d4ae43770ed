package graft.convert.job;

import graft.convert.ConversionException;
import graft.convert.export.ExportModels;
import graft.convert.export.ExportRequest;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.ledger.TensorRecord;
import graft.convert.lowrank.RankRule;
import graft.convert.merge.MergeModels;
import graft.convert.merge.MergeRequest;
import graft.convert.plan.InputHashes;
import graft.convert.plan.Journal;
import graft.convert.plan.Workers;
import graft.convert.reduce.ReduceAdapter;
import graft.convert.reduce.ReduceRequest;
import graft.convert.sparsify.DeltasAhead;
import graft.convert.sparsify.Forecast;
import graft.convert.sparsify.SparsifyBatch;
import graft.convert.sparsify.Totals;
import graft.formats.FormatException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.checkpoint.CheckpointWriter;
import graft.formats.delta.DeltaHeader;
import graft.formats.io.StagedOutput;
import graft.formats.peft.PeftAdapter;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The whole method: fine-tunes become one merged model and a delta each, adapters of lower rank,
 * and, where there is a graph, ONNX models; one ledger says what was kept and lost.
 *
 * <p>A run that was killed goes on where it was, tensor by tensor, if it is started again on the
 * same files with the same options, and gives the same bytes. Stateless, safe from any thread.
 */
public final class ConvertModels {
    private static final String WORK = ".work";
    private static final String MERGED = "merged";
    private static final String ONNX = "onnx";
    private static final Duration CHECK_TIME = Duration.ofMinutes(10);

    private record Task(ConvertRequest.Source source, String name, boolean isAdapter) {}

    /**
     * @return with {@code dryRun} what is expected, otherwise what was done; a row per task in
     *     {@link Ledger#results}
     * @throws ConversionException if sources do not fit the base or each other, hold NaN or
     *     infinity, or the output is there already; nothing is then left behind
     * @throws FormatException if a file cannot be read
     */
    public Ledger run(ConvertRequest request) throws IOException {
        long start = System.nanoTime();
        List<String> notes = new ArrayList<>();
        List<Task> tasks = tasks(request, notes);
        List<Task> fineTunes = tasks.stream().filter(task -> !task.isAdapter()).toList();
        if (!fineTunes.isEmpty()) {
            notes.addAll(new MergeModels().check(mergeRequest(request, fineTunes)));
        }
        if (request.dryRun()) {
            return forecast(request, tasks, fineTunes, notes);
        }
        try (var staged = stage(request);
                var workers = new Workers(request.threads());
                var hashes = new InputHashes()) {
            try {
                hashInputs(request, tasks, hashes);
                Ledger ledger =
                        fill(request, tasks, fineTunes, notes, staged.path(), workers, hashes);
                LedgerWriter.write(staged.path(), ledger, workers.figuresSince(start));
                staged.commit();
                return ledger;
            } catch (ConversionException | FormatException e) {
                throw e; // would fail again: nothing to go on with
            } catch (IOException e) {
                staged.keep();
                throw e;
            }
        }
    }

    /**
     * Sizes and errors at many settings, the one asked for first, from one pass over the sources;
     * and a row per adapter.
     */
    private static Ledger forecast(
            ConvertRequest request, List<Task> tasks, List<Task> fineTunes, List<String> notes)
            throws IOException {
        List<Map<String, Object>> results = new ArrayList<>();
        if (!fineTunes.isEmpty()) {
            MergeRequest merge = mergeRequest(request, fineTunes);
            try (var workers = new Workers(request.threads())) {
                var forecast = new Forecast(fineTunes.size());
                new MergeModels().forEach(merge, workers, forecast::add);
                forecast.addWhole(request.base(), fineTunesOf(fineTunes), request.sparsify());
                results.addAll(forecast.rows(request.sparsify()));
            }
        }
        for (Task task : tasks) {
            if (task.isAdapter()) {
                Map<String, Number> cut = cut(request, task, request.output(), true).totals();
                long bytes = cut.getOrDefault("fileBytes", 0).longValue();
                results.add(result(task.name(), "adapter", bytes, cut));
            }
        }
        return new Ledger(
                "convert",
                List.of(),
                words(request),
                List.of(),
                List.of(),
                Map.of("tasks", request.sources().size()),
                results,
                notes);
    }

    private static List<Task> tasks(ConvertRequest request, List<String> notes) {
        List<String> names = TaskNames.of(request.sources(), notes);
        List<Task> tasks = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            ConvertRequest.Source source = request.sources().get(i);
            tasks.add(new Task(source, names.get(i), PeftAdapter.isAt(source.path())));
        }
        return tasks;
    }

    private static StagedOutput stage(ConvertRequest request) throws IOException {
        try {
            return StagedOutput.resumable(
                    request.output(), request.force(), Fingerprint.of(request));
        } catch (FileAlreadyExistsException e) {
            throw new ConversionException.OutputExists(
                    e.getReason() == null ? e.getFile() : e.getFile() + ": " + e.getReason());
        }
    }

    private static List<SparsifyBatch.Model> fineTunesOf(List<Task> fineTunes) {
        return fineTunes.stream()
                .map(task -> new SparsifyBatch.Model(task.source().path(), task.source().source()))
                .toList();
    }

    private static MergeRequest mergeRequest(ConvertRequest request, List<Task> fineTunes) {
        return new MergeRequest(
                Optional.empty(),
                request.base(),
                request.baseSource(),
                fineTunes.stream()
                        .map(task ->
                                new MergeRequest.FineTune(
                                        task.source().path(), task.source().source()))
                        .toList(),
                request.merge(),
                List.of(),
                request.dtype(),
                CheckpointWriter.DEFAULT_SHARD_BYTES,
                request.output(),
                request.force(),
                request.allowUnrelated(),
                request.threads(),
                request.progress());
    }

    private static void hashInputs(ConvertRequest request, List<Task> tasks, InputHashes hashes)
            throws IOException {
        try (var base = Checkpoint.open(request.base())) {
            hashes.add("base", request.baseSource(), base.files());
        }
        for (Task task : tasks) {
            String role = task.isAdapter() ? "adapter" : "fine-tune";
            hashes.add(role, task.source().source(), files(task));
        }
    }

    private static Ledger fill(
            ConvertRequest request,
            List<Task> tasks,
            List<Task> fineTunes,
            List<String> notes,
            Path folder,
            Workers workers,
            InputHashes hashes)
            throws IOException {
        StagedOutput.deleteUnfinished(folder);
        Path work = folder.resolve(WORK);
        var journal = new Journal(work);
        List<TensorRecord> records = new ArrayList<>();
        List<Map<String, Object>> results = new ArrayList<>();
        Map<Path, String> written = new HashMap<>();
        if (!fineTunes.isEmpty()) {
            Path merged = Files.createDirectories(folder.resolve(MERGED));
            MergeModels.Merged done = merge(request, fineTunes, merged, journal, workers);
            notes.addAll(done.warnings());
            written.putAll(done.files());
            done.records().forEach(record -> records.add(named(MERGED, record)));
            sparsify(request, fineTunes, folder, done.hashes(), journal, workers, records, results);
        }
        for (Task task : tasks) {
            if (task.isAdapter()) {
                reduce(request, task, folder, records, results);
            }
        }
        StagedOutput.deleteTree(work);
        if (request.graph().isPresent()) {
            export(request, tasks, folder, notes);
        }
        return new Ledger(
                "convert",
                hashes.get(),
                words(request),
                LedgerWriter.outputs(folder, written),
                records,
                totals(results),
                results,
                notes);
    }

    private static MergeModels.Merged merge(
            ConvertRequest request,
            List<Task> fineTunes,
            Path folder,
            Journal journal,
            Workers workers)
            throws IOException {
        List<Path> models = fineTunes.stream().map(task -> task.source().path()).toList();
        try (var ahead = DeltasAhead.open(models, request.sparsify(), journal)) {
            return new MergeModels()
                    .into(mergeRequest(request, fineTunes), folder, journal, workers, ahead);
        }
    }

    private static void sparsify(
            ConvertRequest request,
            List<Task> fineTunes,
            Path folder,
            Map<String, String> hashes,
            Journal journal,
            Workers workers,
            List<TensorRecord> records,
            List<Map<String, Object>> results)
            throws IOException {
        try (var batch =
                SparsifyBatch.open(
                        folder.resolve(MERGED),
                        MERGED,
                        fineTunesOf(fineTunes),
                        hashes,
                        request.sparsify(),
                        workers,
                        request.progress())) {
            SparsifyBatch.Plan plan = batch.plan();
            for (int m = 0; m < fineTunes.size(); m++) {
                String name = fineTunes.get(m).name();
                Path out = folder.resolve(name);
                StagedOutput.deleteTree(out);
                Files.createDirectory(out);
                List<TensorRecord> own = batch.write(plan, m, out, journal);
                own.stream()
                        .filter(record -> !record.treatment().equals("not in the model"))
                        .forEach(record -> records.add(named(name, record)));
                long bytes = Files.size(out.resolve(DeltaHeader.FILE_NAME));
                results.add(result(name, "delta", bytes, Totals.of(own)));
            }
        }
    }

    private static void reduce(
            ConvertRequest request,
            Task task,
            Path folder,
            List<TensorRecord> records,
            List<Map<String, Object>> results)
            throws IOException {
        Path out = folder.resolve(task.name());
        StagedOutput.deleteTree(out);
        Ledger ledger = cut(request, task, out, false);
        Files.delete(out.resolve(Ledger.FILE_NAME)); // its figures are in the one ledger
        ledger.tensors().forEach(record -> records.add(named(task.name(), record)));
        long bytes = Files.size(PeftAdapter.filesAt(out).getLast());
        results.add(result(task.name(), "adapter", bytes, ledger.totals()));
    }

    private static Ledger cut(ConvertRequest request, Task task, Path out, boolean dryRun)
            throws IOException {
        ReduceRequest cut =
                ReduceRequest.of(
                        task.source().path(),
                        task.source().source(),
                        new RankRule.Energy(request.energy()),
                        out);
        return new ReduceAdapter().run(cut.withThreads(request.threads()).withDryRun(dryRun));
    }

    private static Map<String, Object> result(
            String name, String kind, long bytes, Map<String, Number> totals) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("task", name);
        row.put("kind", kind);
        row.put("bytes", bytes);
        totals.forEach(row::put);
        return row;
    }

    private static Map<String, Number> totals(List<Map<String, Object>> results) {
        long bytes = 0;
        for (Map<String, Object> row : results) {
            bytes += row.get("bytes") instanceof Number number ? number.longValue() : 0;
        }
        return Map.of("tasks", results.size(), "bytesOut", bytes);
    }

    private static TensorRecord named(String task, TensorRecord record) {
        return record.withName(task + "/" + record.name());
    }

    private static List<Path> files(Task task) throws IOException {
        Path path = task.source().path();
        if (task.isAdapter()) {
            return PeftAdapter.filesAt(path);
        }
        try (var model = Checkpoint.open(path)) {
            return model.files();
        }
    }

    static Map<String, Object> words(ConvertRequest request) {
        Map<String, Object> words = new TreeMap<>(request.sparsify().words());
        request.merge().words().forEach((key, value) -> words.put("merge " + key, value));
        words.put("adapter energy", request.energy());
        words.put("merged dtype", request.dtype().map(Enum::name).orElse("as the base"));
        return words;
    }

    /** A graph that nobody named and that is not of the base is no reason to lose the rest. */
    private static void export(
            ConvertRequest request, List<Task> tasks, Path folder, List<String> notes)
            throws IOException {
        Path out = folder.resolve(ONNX);
        StagedOutput.deleteTree(out);
        try {
            export(request, tasks, folder, out);
        } catch (ConversionException.NothingMatched
                | ConversionException.BaseMismatch
                | UnsupportedFeatureException e) {
            if (request.graphNamed()) {
                throw e;
            }
            StagedOutput.deleteTree(out);
            notes.add("no ONNX graphs: " + e.getMessage());
        }
    }

    /** With deltas as well as adapters, each kind has a folder, as each has a base. */
    private static void export(ConvertRequest request, List<Task> tasks, Path folder, Path out)
            throws IOException {
        var graphBase = new ExportRequest.Named(request.base(), request.baseSource());
        var merged = new ExportRequest.Named(folder.resolve(MERGED), MERGED);
        List<ExportRequest.Named> deltas = new ArrayList<>();
        List<ExportRequest.Named> adapters = new ArrayList<>();
        for (Task task : tasks) {
            (task.isAdapter() ? adapters : deltas)
                    .add(
                            new ExportRequest.Named(
                                    folder.resolve(task.name()), task.name(), task.name()));
        }
        boolean both = !deltas.isEmpty() && !adapters.isEmpty();
        export(request, deltas, graphBase, merged, both ? out.resolve(ExportModels.DELTAS) : out);
        export(
                request,
                adapters,
                graphBase,
                graphBase,
                both ? out.resolve(ExportModels.ADAPTERS) : out);
    }

    private static void export(
            ConvertRequest request,
            List<ExportRequest.Named> sources,
            ExportRequest.Named graphBase,
            ExportRequest.Named base,
            Path target)
            throws IOException {
        if (sources.isEmpty()) {
            return;
        }
        new ExportModels()
                .run(
                        new ExportRequest(
                                sources,
                                request.graph(),
                                Optional.of(graphBase),
                                Optional.of(base),
                                ExportRequest.Mode.shared,
                                ExportRequest.Form.DEFAULT,
                                Optional.of(CHECK_TIME),
                                target,
                                false,
                                request.progress()));
        Files.deleteIfExists(target.resolve(Ledger.FILE_NAME));
    }
}
