package graft.convert.cli;

import graft.convert.ConversionException;
import graft.convert.export.GraphFinder;
import graft.convert.plan.Progress;
import graft.hub.RepoRef;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** Options that every verb shares, and the printer they configure. */
final class CommonOptions implements AutoCloseable {
    /** What goes to standard output. */
    enum Format {
        /** {@code human}; kept apart so that a script can say it does not care. */
        auto,
        /** Tables for people. */
        human,
        /** Exactly one JSON document, on failure too. */
        json,
        /** The path of the output alone. */
        quiet
    }

    @Spec(Spec.Target.MIXEE)
    CommandSpec spec;

    @Option(
            names = "--format",
            paramLabel = "auto|human|json|quiet",
            description = "What standard output gets.")
    Format format = Format.auto;

    @Option(names = "--json", description = "One JSON document on standard output, on failure too.")
    boolean json;

    @Option(
            names = {"-q", "--quiet"},
            description = "Print the path of the output alone.")
    boolean quiet;

    @Option(
            names = {"-v", "--verbose"},
            description = "Details, and the stack trace of an error.")
    boolean verbose;

    @Mixin NetworkOptions network = new NetworkOptions();

    private @Nullable HubSession hub;

    @SuppressWarnings("NullAway.Init") // picocli sets the spec
    CommonOptions() {}

    /** The printer these options ask for. */
    Printer printer() {
        boolean asJson = json || format == Format.json;
        boolean asQuiet = quiet || format == Format.quiet;
        if (asJson && asQuiet) {
            throw new UsageException("--json and --quiet exclude each other", "use one of them");
        }
        var line = spec.commandLine();
        return new Printer(line.getOut(), line.getErr(), asJson, asQuiet);
    }

    /** Progress on standard error, unless the output is for programs alone. */
    Progress progress() {
        return quiet || format == Format.quiet
                ? Progress.NONE
                : ProgressPrinter.onStandardError(spec.commandLine().getErr());
    }

    /** Where {@code ref} is on this disk; what is on the Hub alone is downloaded first. */
    Path path(String ref) throws IOException {
        Optional<RepoRef> repo = Refs.remote(ref);
        if (repo.isEmpty()) {
            return notReplaced(Refs.local(ref));
        }
        checkOutput();
        return hub().fetch(repo.get());
    }

    /**
     * The ONNX graph that the user named, or that the first of some models keeps; what is on the
     * Hub alone is downloaded first, with its data.
     *
     * @param named a file, or a folder or repository that keeps a graph; null if none was named
     * @param models to look at in this order
     */
    Optional<Path> graph(@Nullable String named, List<String> models) throws IOException {
        if (named != null) {
            return Optional.of(graphIn(named).orElseThrow(() -> GraphFinder.missing(named)));
        }
        for (String model : models) {
            boolean keeps = Refs.remote(model).isPresent() || Files.isDirectory(Refs.local(model));
            Optional<Path> found = keeps ? graphIn(model) : Optional.empty();
            if (found.isPresent()) {
                return found;
            }
        }
        return Optional.empty();
    }

    private Optional<Path> graphIn(String ref) throws IOException {
        Optional<RepoRef> repo = Refs.remote(ref);
        if (repo.isPresent()) {
            checkOutput();
            return hub().fetchGraph(repo.get());
        }
        Path path = notReplaced(Refs.local(ref));
        return Files.isDirectory(path) ? GraphFinder.find(path) : Optional.of(path);
    }

    /** An input may not lie in a folder that the output replaces: it would be deleted. */
    private Path notReplaced(Path input) throws IOException {
        OptionSpec output = spec.findOption("--output");
        if (output != null
                && output.getValue() instanceof Path path
                && Files.exists(path)
                && input.toRealPath().startsWith(path.toRealPath())) {
            throw new UsageException(
                    "--output %s would replace the input %s".formatted(path, input),
                    "write to another folder");
        }
        return input;
    }

    /**
     * As {@link #path} for a reader that touches only the tensors that {@code wanted} names: of a
     * model on the Hub no more than these are fetched. Valid until {@link #close}.
     */
    Path tensors(String ref, Predicate<String> wanted) throws IOException {
        Optional<RepoRef> repo = Refs.remote(ref);
        if (repo.isEmpty()) {
            return notReplaced(Refs.local(ref));
        }
        checkOutput();
        return hub().fetchTensors(repo.get(), wanted);
    }

    /** Before a long download, not after it: the use case checks again. */
    private void checkOutput() throws ConversionException {
        OptionSpec output = spec.findOption("--output");
        OptionSpec force = spec.findOption("--force");
        boolean mayReplace = force != null && Boolean.TRUE.equals(force.getValue());
        if (output != null
                && output.getValue() instanceof Path path
                && Files.exists(path)
                && !mayReplace) {
            throw new ConversionException.OutputExists(path.toString());
        }
    }

    /**
     * What {@code ref} is called in ledgers and files made from it: a repository with its commit, a
     * path as it was typed.
     */
    String name(String ref) throws IOException {
        Optional<RepoRef> repo = Refs.remote(ref);
        if (repo.isEmpty()) {
            return ref;
        }
        return repo.get().at(hub().snapshot(repo.get()).commit()).toString();
    }

    /**
     * For {@code --dry-run}: whether a REF would have to be downloaded first, which is then said,
     * with what its headers tell.
     */
    boolean announcesDownload(Path output, List<String> refs, @Nullable String base)
            throws IOException {
        return announcesDownload(output, refs, base, Optional.empty());
    }

    /**
     * The same of models and a graph.
     *
     * @param output what would be written, if that is known
     * @param graph whose graph is needed beside them
     */
    boolean announcesDownload(
            @Nullable Path output,
            List<String> refs,
            @Nullable String base,
            Optional<RepoRef> graph)
            throws IOException {
        List<String> all = new ArrayList<>(refs);
        if (base != null) {
            all.add(base);
        }
        List<RepoRef> remote = new ArrayList<>();
        long localBytes = 0;
        for (String ref : all) {
            Optional<RepoRef> repo = Refs.remote(ref);
            repo.ifPresent(remote::add);
            if (repo.isEmpty()) {
                localBytes += size(Refs.local(ref));
            }
        }
        return (!remote.isEmpty() || graph.isPresent())
                && hub().announceDownload(remote, graph, localBytes, output);
    }

    /** Bytes of models that are not on this disk yet. */
    long bytesToFetch(List<String> refs, String base) throws IOException {
        long bytes = 0;
        for (String ref : refs) {
            bytes += bytesToFetch(ref);
        }
        return bytes + bytesToFetch(base);
    }

    private long bytesToFetch(String ref) throws IOException {
        Optional<RepoRef> repo = Refs.remote(ref);
        return repo.isEmpty() ? 0 : hub().plan(repo.get()).bytesToFetch();
    }

    private static long size(Path path) throws IOException {
        long bytes = 0;
        try (Stream<Path> files = Files.walk(path)) {
            for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
                bytes += Files.size(file);
            }
        }
        return bytes;
    }

    /** The Hub, for this run. */
    HubSession hub() {
        if (hub == null) {
            hub = HubSession.open(network, printer(), progress());
        }
        return hub;
    }

    /**
     * The repository that {@code ref} names, whatever lies on this disk.
     *
     * @throws UsageException if it names none
     */
    static RepoRef repository(String ref) {
        return RepoRef.otherKind(ref).isPresent()
                ? notAModel(ref)
                : RepoRef.parse(ref)
                        .orElseThrow(() ->
                                new UsageException(
                                        "'%s' is no repository".formatted(ref),
                                        "name it as org/name[@revision][/folder]"));
    }

    private static RepoRef notAModel(String ref) {
        throw new UsageException(
                "'%s' is no model: Graft does not read datasets or spaces".formatted(ref),
                "name a model repository: org/name");
    }

    /** Ends what this run opened at the Hub. */
    @Override
    public void close() throws IOException {
        if (hub != null) {
            hub.close();
        }
    }
}
