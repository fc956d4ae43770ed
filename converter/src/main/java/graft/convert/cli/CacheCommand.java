package graft.convert.cli;

import graft.hub.cache.CachePruning;
import graft.hub.cache.CacheVerification;
import graft.hub.cache.CachedRepo;
import graft.hub.cache.HubCache;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "cache",
        description = "List, check or tidy the Hub's cache on this disk.",
        footer = {
            "",
            "prune removes snapshots that no branch or tag means any more, content that only they",
            "have, and downloads abandoned for a day.",
            "",
            "Examples:",
            "  graft cache ls",
            "  graft cache verify org/name",
            "  graft cache prune --dry-run"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CacheCommand implements Callable<Integer> {
    /** What to do. */
    enum Action {
        ls,
        verify,
        prune
    }

    @Mixin CommonOptions common = new CommonOptions();

    @Parameters(index = "0", paramLabel = "ls|verify|prune", description = "What to do.")
    Action action;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "REPO",
            description = "org/name; all of the cache by default.")
    List<String> only = new ArrayList<>();

    @Option(names = "--dry-run", description = "Say what prune would remove; remove nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        var cache = new HubCache(HubSession.options(common.network).cache());
        List<CachedRepo> repos = chosen(CachedRepo.all(cache));
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("cache", cache.root().toString());
        boolean fine =
                switch (action) {
                    case ls -> list(printer, repos, document);
                    case verify -> verify(printer, repos, document);
                    case prune -> prune(printer, repos, document);
                };
        printer.human("Cache " + cache.root());
        printer.path(cache.root());
        printer.document(() -> Json.object(document));
        return fine ? ExitCodes.DONE : ExitCodes.CHECK_FAILED;
    }

    private List<CachedRepo> chosen(List<CachedRepo> all) throws IOException {
        for (String name : only) {
            if (all.stream().noneMatch(repo -> repo.id().equals(name))) {
                throw new java.nio.file.NoSuchFileException(name, null, "not in the cache");
            }
        }
        return only.isEmpty()
                ? all
                : all.stream().filter(repo -> only.contains(repo.id())).toList();
    }

    private static boolean list(
            Printer printer, List<CachedRepo> repos, Map<String, Object> document) {
        List<Map<String, Object>> list = new ArrayList<>();
        long total = 0;
        for (CachedRepo repo : repos) {
            total += repo.bytes();
            printer.human("%-10s %s".formatted(Sizes.decimal(repo.bytes()), repo.id()));
            List<Map<String, Object>> revisions = new ArrayList<>();
            for (CachedRepo.Revision revision : repo.revisions()) {
                String refs =
                        revision.refs().isEmpty()
                                ? "(no branch or tag)"
                                : String.join(", ", revision.refs());
                printer.human(
                        "  %-10s %s  %d files  %s"
                                .formatted(
                                        Sizes.decimal(revision.bytes()),
                                        revision.commit(),
                                        revision.files().size(),
                                        refs));
                Map<String, Object> entry = new LinkedHashMap<>();
                entry.put("commit", revision.commit());
                entry.put("refs", revision.refs());
                entry.put("files", revision.files().size());
                entry.put("bytes", revision.bytes());
                revisions.add(entry);
            }
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("repository", repo.id());
            entry.put("bytes", repo.bytes());
            entry.put("revisions", revisions);
            list.add(entry);
        }
        printer.human("%d repositories, %s".formatted(repos.size(), Sizes.decimal(total)));
        document.put("bytes", total);
        document.put("repositories", list);
        return true;
    }

    private static boolean verify(
            Printer printer, List<CachedRepo> repos, Map<String, Object> document)
            throws IOException {
        List<String> problems = new ArrayList<>();
        int checked = 0;
        int unknown = 0;
        long bytes = 0;
        for (CachedRepo repo : repos) {
            CacheVerification found = CacheVerification.of(repo);
            checked += found.checked();
            unknown += found.unknown();
            bytes += found.bytes();
            problems.addAll(found.problems());
            printer.human(
                    "%s: %d files, %s · %s"
                            .formatted(
                                    repo.id(),
                                    found.checked(),
                                    Sizes.decimal(found.bytes()),
                                    found.problems().isEmpty()
                                            ? "as promised"
                                            : found.problems().size() + " damaged"));
        }
        problems.forEach(problem -> printer.note("damaged: " + problem));
        if (!problems.isEmpty()) {
            printer.note("help: fetch them again with graft download … --force-download");
        }
        document.put("checked", checked);
        document.put("unknown", unknown);
        document.put("bytes", bytes);
        document.put("problems", problems);
        return problems.isEmpty();
    }

    private boolean prune(Printer printer, List<CachedRepo> repos, Map<String, Object> document)
            throws IOException {
        List<String> removed = new ArrayList<>();
        long bytes = 0;
        for (CachedRepo repo : repos) {
            CachePruning unneeded = CachePruning.of(repo);
            bytes += unneeded.bytes();
            for (Path path : unneeded.paths()) {
                removed.add(path.toString());
                printer.human("  " + repo.folder().cache().relativize(path));
            }
            if (!dryRun) {
                unneeded.run();
            }
        }
        printer.human(
                "%s %d paths, %s"
                        .formatted(
                                dryRun ? "Would remove" : "Removed",
                                removed.size(),
                                Sizes.decimal(bytes)));
        document.put("dryRun", dryRun);
        document.put("bytes", bytes);
        document.put("paths", removed);
        return true;
    }
}
