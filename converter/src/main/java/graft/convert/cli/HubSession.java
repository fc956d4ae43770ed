package graft.convert.cli;

import graft.convert.export.GraphFinder;
import graft.convert.inspect.InspectModel;
import graft.convert.inspect.Inspection;
import graft.convert.plan.Progress;
import graft.convert.remote.ModelFiles;
import graft.convert.remote.RemoteModel;
import graft.formats.onnx.OnnxModel;
import graft.hub.DownloadPlan;
import graft.hub.DownloadRequest;
import graft.hub.FileFilter;
import graft.hub.HubClient;
import graft.hub.HubEvent;
import graft.hub.HubException;
import graft.hub.HubFile;
import graft.hub.HubOptions;
import graft.hub.RepoRef;
import graft.hub.Snapshot;
import graft.hub.Token;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * The Hub, as one run of a verb sees it. Made when the first REF turns out to be there, so that
 * local work never loads an HTTP client.
 */
final class HubSession implements AutoCloseable {
    private final HubClient client;
    private final Printer printer;
    private final Progress progress;
    private final @Nullable String revision;
    private final Map<RepoRef, Snapshot> snapshots = new HashMap<>();
    private final Map<Snapshot, ModelFiles> models = new IdentityHashMap<>();
    private final List<RemoteModel> opened = new ArrayList<>();
    private @Nullable RepoRef revised;

    private HubSession(
            HubOptions options, @Nullable String revision, Printer printer, Progress progress) {
        this.client = new HubClient(options, this::hear);
        this.printer = printer;
        this.progress = progress;
        this.revision = revision;
    }

    /**
     * @throws UsageException if an option or a variable of the environment is unusable
     */
    static HubSession open(NetworkOptions network, Printer printer, Progress progress) {
        return new HubSession(options(network), network.revision, printer, progress);
    }

    /** The environment's settings, overridden by the command line's. */
    static HubOptions options(NetworkOptions network) {
        try {
            HubOptions options = HubOptions.fromEnvironment();
            if (network.token != null) {
                options = options.withToken(Optional.of(Token.of(network.token)));
            }
            if (network.cacheDir != null) {
                options = options.withCache(network.cacheDir);
            }
            if (network.maxWorkers != null) {
                options = options.withMaxWorkers(network.maxWorkers);
            }
            return network.offline ? options.withOffline(true) : options;
        } catch (IllegalArgumentException e) {
            throw new UsageException(
                    String.valueOf(e.getMessage()),
                    "see `graft help environment` and the options of network");
        }
    }

    HubClient client() {
        return client;
    }

    /**
     * {@code ref} with {@code --revision}, which is for one repository.
     *
     * @throws UsageException if it is given twice, or for two repositories
     */
    RepoRef revised(RepoRef ref) {
        if (revision == null) {
            return ref;
        }
        if (ref.revision().isPresent()) {
            throw new UsageException(
                    "'%s' names a revision, and so does --revision".formatted(ref),
                    "use one of them");
        }
        if (revised != null && !revised.equals(ref)) {
            throw new UsageException(
                    "--revision is for one repository, here are '%s' and '%s'"
                            .formatted(revised, ref),
                    "write the revision into the reference: org/name@revision");
        }
        revised = ref;
        try {
            return ref.at(revision);
        } catch (IllegalArgumentException e) {
            throw new UsageException(
                    "--revision: " + e.getMessage(), "use a branch, tag or commit");
        }
    }

    /** The commit that {@code ref} means in this run, whenever it is asked again. */
    Snapshot snapshot(RepoRef ref) throws IOException {
        RepoRef exact = revised(ref);
        Snapshot known = snapshots.get(exact);
        if (known == null) {
            try {
                known = client.snapshot(exact);
            } catch (HubException.NotFound e) {
                throw new HubException.NotFound(
                        String.valueOf(e.getMessage()), "no such path here, either; " + e.help());
            }
            snapshots.put(exact, known);
        }
        return known;
    }

    /** Downloads what {@code ref} names; the folder or file in the cache. */
    Path fetch(RepoRef ref) throws IOException {
        Snapshot snapshot = snapshot(ref);
        Path root = client.download(request(snapshot));
        String folder = snapshot.ref().folder();
        return folder.isEmpty() ? root : root.resolve(folder);
    }

    /**
     * Downloads of what {@code ref} names the tensors that {@code wanted} names, if that is the
     * smaller part of it; else all of it, which then stays in the cache.
     *
     * @return a model of which only these tensors may be read; gone after {@link #close}
     */
    Path fetchTensors(RepoRef ref, Predicate<String> wanted) throws IOException {
        Snapshot snapshot = snapshot(ref);
        ModelFiles files = files(snapshot);
        long whole = plan(ref).bytesToFetch();
        if (whole == 0 || !files.haveHeaders()) {
            return fetch(ref);
        }
        RemoteModel model = RemoteModel.headers(client, snapshot, files);
        opened.add(model);
        long part = model.bytesOf(wanted);
        if (part > whole / 2) {
            return fetch(ref);
        }
        progress.phase("download some tensors, " + Sizes.decimal(part), 0);
        model.fill(wanted);
        return model.path();
    }

    /**
     * Downloads the graph that {@code ref} names, or that the repository keeps, with the files that
     * it names as its data.
     *
     * @return the graph in the cache; empty if {@link GraphFinder#choose} finds none
     */
    Optional<Path> fetchGraph(RepoRef ref) throws IOException {
        Snapshot snapshot = snapshot(ref);
        Optional<String> graph = graph(snapshot);
        if (graph.isEmpty()) {
            return Optional.empty();
        }
        List<String> files = new ArrayList<>(List.of(graph.get()));
        Path file = download(snapshot, files).resolve(graph.get());
        Path folder = Path.of(graph.get()).resolve("..").normalize();
        for (String location : OnnxModel.locations(file)) {
            dataPath(folder, location)
                    .filter(path -> snapshot.find(path).isPresent())
                    .ifPresent(files::add); // the reader says what is missing
        }
        return Optional.of(download(snapshot, files).resolve(graph.get()));
    }

    /** Whether {@link #fetchGraph} finds one. */
    boolean hasGraph(RepoRef ref) throws IOException {
        return graph(snapshot(ref)).isPresent();
    }

    /** Bytes that {@link #fetchGraph} would download. */
    long graphBytesToFetch(RepoRef ref) throws IOException {
        return planGraph(ref).bytesToFetch();
    }

    /**
     * Which files hold a graph's data it says itself; before it is here, those that are named after
     * it, as exporters name them.
     */
    private DownloadPlan planGraph(RepoRef ref) throws IOException {
        Snapshot snapshot = snapshot(ref);
        Optional<String> graph = graph(snapshot);
        List<String> files =
                snapshot.files().stream()
                        .map(HubFile::path)
                        .filter(path -> graph.isPresent() && path.startsWith(graph.get()))
                        .toList();
        return files.isEmpty()
                ? new DownloadPlan(client.options().cache(), List.of())
                : client.plan(DownloadRequest.of(snapshot, FileFilter.names(files)));
    }

    /** The graph that a reference names, or that is found where it points. */
    private static Optional<String> graph(Snapshot snapshot) {
        String root = snapshot.ref().folder();
        return snapshot.find(root).isPresent() ? Optional.of(root) : chooseGraph(snapshot);
    }

    private static Optional<String> chooseGraph(Snapshot snapshot) {
        String root = snapshot.ref().folder();
        String prefix = root.isEmpty() ? "" : root + "/";
        List<String> names =
                snapshot.files().stream()
                        .map(HubFile::path)
                        .filter(path -> path.startsWith(prefix))
                        .map(path -> path.substring(prefix.length()))
                        .toList();
        return GraphFinder.choose(names).map(prefix::concat);
    }

    private static Optional<String> dataPath(Path folder, String location) {
        try {
            return Optional.of(folder.resolve(location).normalize().toString().replace('\\', '/'));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }

    private Path download(Snapshot snapshot, List<String> files) throws IOException {
        return client.download(DownloadRequest.of(snapshot, FileFilter.names(files)));
    }

    /** What {@link #fetch} would do. */
    DownloadPlan plan(RepoRef ref) throws IOException {
        return client.plan(request(snapshot(ref)));
    }

    private DownloadRequest request(Snapshot snapshot) throws IOException {
        return DownloadRequest.of(snapshot, FileFilter.names(files(snapshot).all()));
    }

    /** Found once per run: a sharded checkpoint's index is read for it. */
    private ModelFiles files(Snapshot snapshot) throws IOException {
        ModelFiles known = models.get(snapshot);
        if (known == null) {
            known = ModelFiles.of(client, snapshot);
            models.put(snapshot, known);
        }
        return known;
    }

    /**
     * What {@code ref} names, from headers alone where the format allows it; what is in the cache
     * is read there.
     */
    Inspection inspect(RepoRef ref) throws IOException {
        Snapshot snapshot = snapshot(ref);
        String label = ref.at(snapshot.commit()).toString();
        ModelFiles files = files(snapshot);
        if (plan(ref).bytesToFetch() == 0 || !files.haveHeaders()) {
            return new InspectModel().run(fetch(ref), label);
        }
        try (var headers = RemoteModel.headers(client, snapshot, files)) {
            headers.fill(name -> name.endsWith(".alpha")); // where kohya keeps its scales
            return new InspectModel().run(headers.path(), label).withBytesRead(headers.bytesRead());
        }
    }

    /**
     * For {@code --dry-run}: tells what the refs are and what would have to be downloaded first.
     *
     * @param graph whose graph is needed beside them
     * @param localBytes size of the other inputs: no verb writes more than all inputs together, and
     *     at most a graph for each of them
     * @param output what would be written, if that is known
     * @return whether something would; then nothing more can be said without its bytes
     */
    boolean announceDownload(
            List<RepoRef> refs, Optional<RepoRef> graph, long localBytes, @Nullable Path output)
            throws IOException {
        long bytes = 0;
        long inputs = localBytes;
        List<Map<String, Object>> documents = new ArrayList<>();
        for (RepoRef ref : refs) {
            DownloadPlan plan = plan(ref);
            long needed = plan.bytesToFetch();
            inputs += plan.bytes();
            if (needed > 0) {
                Snapshot snapshot = snapshot(ref);
                if (files(snapshot).haveHeaders()) { // pickles are not looked into
                    printer.human(InspectCommand.summary(inspect(ref)));
                }
                bytes += needed;
                String source = ref.at(snapshot.commit()).toString();
                documents.add(Map.of("source", source, "bytesToFetch", needed));
            }
        }
        if (graph.isPresent()) {
            DownloadPlan plan = planGraph(graph.get());
            long needed = plan.bytesToFetch();
            inputs += (1 + refs.size()) * plan.bytes();
            if (needed > 0) {
                bytes += needed;
                String source = graph.get().at(snapshot(graph.get()).commit()).toString();
                String file = plan.items().getFirst().file().path();
                documents.add(Map.of("source", source, "graph", file, "bytesToFetch", needed));
            }
        }
        if (bytes == 0) {
            return false;
        }
        Path cache = client.options().cache();
        printer.human(
                "Would download %s to %s (%s free), then write at most %s%s; heap stays below %s."
                        .formatted(
                                Sizes.decimal(bytes),
                                cache,
                                Sizes.decimal(freeBytes(cache)),
                                Sizes.decimal(inputs),
                                output == null ? "" : " to " + output,
                                Sizes.decimal(Runtime.getRuntime().maxMemory())));
        OutputOptions.announceDryRun(printer);
        var document =
                new TreeMap<>(
                        Map.of(
                                "dryRun", true,
                                "bytesToFetch", bytes,
                                "bytesOutAtMost", inputs,
                                "inputs", documents));
        printer.document(() -> Json.object(document));
        return true;
    }

    private static long freeBytes(Path folder) throws IOException {
        Path existing = folder.toAbsolutePath();
        while (!Files.exists(existing)) {
            existing = java.util.Objects.requireNonNull(existing.getParent());
        }
        return Files.getFileStore(existing).getUsableSpace();
    }

    private void hear(HubEvent event) {
        switch (event) {
            case HubEvent.Planned(int files, long bytes) -> {
                if (files > 0) {
                    progress.phase(
                            "download %d file%s, %s"
                                    .formatted(files, files == 1 ? "" : "s", Sizes.decimal(bytes)),
                            bytes);
                }
            }
            case HubEvent.Moved(String _, long bytes) -> progress.advance(bytes);
            case HubEvent.Restarted(String file, long bytes, String reason) -> {
                progress.advance(-bytes);
                printer.note("%s: begins anew: %s".formatted(file, reason));
            }
            case HubEvent.Retrying(String what, int attempt, var delay, String reason) ->
                    printer.note(
                            "%s: %s; try %d in %.1f s"
                                    .formatted(
                                            what, reason, attempt + 1, delay.toMillis() / 1000.0));
            case HubEvent.Warning(String text) -> printer.note("warning: " + text);
            case HubEvent.Started _, HubEvent.Finished _ -> {}
        }
    }

    @Override
    public void close() throws IOException {
        for (RemoteModel model : opened) {
            model.close();
        }
        client.close();
    }
}
