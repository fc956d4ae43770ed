package graft.convert.cli;

import graft.hub.DownloadPlan;
import graft.hub.DownloadRequest;
import graft.hub.FileFilter;
import graft.hub.HubFile;
import graft.hub.RepoRef;
import graft.hub.Snapshot;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "download",
        description = "Download a repository, or files of it, into the Hub's cache or a folder.",
        footer = {
            "",
            "Examples:",
            "  graft download org/name",
            "  graft download org/name@v1 config.json model.safetensors --local-dir model",
            "  graft download org/name --include '*.safetensors' --exclude 'old/*' --dry-run"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class DownloadCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin FilterOptions filter = new FilterOptions();

    @Parameters(index = "0", paramLabel = "REF", description = "org/name[@revision][/folder].")
    String ref;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "FILE",
            description = "Files of the repository; all of them by default.")
    List<String> names = new ArrayList<>();

    @Option(
            names = "--local-dir",
            paramLabel = "DIR",
            description = "A plain folder to fill instead of the cache.")
    @Nullable Path localDir;

    @Option(names = "--force-download", description = "Fetch again what is already there.")
    boolean force;

    @Option(names = "--dry-run", description = "List the files and what would move; fetch nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        if (localDir != null && common.network.cacheDir != null) {
            throw new UsageException("--local-dir and --cache-dir exclude each other", "use one");
        }
        RepoRef repo = CommonOptions.repository(ref);
        FileFilter asked = chosen(repo);
        HubSession hub = common.hub();
        Snapshot snapshot = hub.snapshot(repo);
        var request = new DownloadRequest(snapshot, asked, Optional.ofNullable(localDir), force);
        DownloadPlan plan = hub.client().plan(request);
        if (dryRun) {
            table(printer, plan);
        } else {
            hub.client().download(request);
        }
        String folder = snapshot.ref().folder();
        Path root = folder.isEmpty() ? plan.folder() : plan.folder().resolve(folder);
        printer.human(
                "%s: %d files, %s · %s %s"
                        .formatted(
                                snapshot.label(),
                                plan.items().size(),
                                Sizes.decimal(plan.bytes()),
                                dryRun ? "would fetch" : "fetched",
                                Sizes.decimal(plan.bytesToFetch())));
        printer.human((dryRun ? "Nothing fetched (--dry-run); goes to " : "In ") + root);
        printer.path(root);
        printer.document(() -> Json.object(document(snapshot, plan, root)));
        return ExitCodes.DONE;
    }

    private FileFilter chosen(RepoRef repo) {
        try {
            List<String> files = names.stream().map(repo::inFolder).toList();
            boolean all = repo.folder().isEmpty();
            List<String> wanted =
                    filter.include.isEmpty() && names.isEmpty() && !all
                            ? List.of(repo.folder() + "/*")
                            : filter.include.stream().map(repo::inFolder).toList();
            return new FileFilter(
                    files, wanted, filter.exclude.stream().map(repo::inFolder).toList());
        } catch (IllegalArgumentException e) {
            throw new UsageException(
                    "file names and --include or --exclude exclude each other",
                    "give names, or patterns");
        }
    }

    private static void table(Printer printer, DownloadPlan plan) {
        for (DownloadPlan.Item item : plan.items()) {
            HubFile file = item.file();
            printer.human(
                    "  %-10s %-9s %s"
                            .formatted(
                                    Sizes.decimal(file.bytes()),
                                    item.present()
                                            ? "present"
                                            : item.resumedBytes() > 0 ? "partly" : "fetch",
                                    file.path()));
        }
    }

    private Map<String, Object> document(Snapshot snapshot, DownloadPlan plan, Path root) {
        List<Map<String, Object>> files = new ArrayList<>();
        for (DownloadPlan.Item item : plan.items()) {
            Map<String, Object> file = new LinkedHashMap<>();
            file.put("path", item.file().path());
            file.put("bytes", item.file().bytes());
            file.put("bytesToFetch", item.bytesToFetch());
            item.file().sha256().ifPresent(sha -> file.put("sha256", sha));
            files.add(file);
        }
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("repository", snapshot.ref().id());
        document.put("commit", snapshot.commit());
        document.put("path", root.toString());
        document.put("dryRun", dryRun);
        document.put("bytes", plan.bytes());
        document.put("bytesFetched", dryRun ? 0L : plan.bytesToFetch());
        document.put("bytesToFetch", dryRun ? plan.bytesToFetch() : 0L);
        document.put("files", files);
        return document;
    }
}
