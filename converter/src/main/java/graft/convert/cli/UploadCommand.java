package graft.convert.cli;

import graft.hub.FileFilter;
import graft.hub.RepoRef;
import graft.hub.UploadRequest;
import graft.hub.Uploaded;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "upload",
        description = "Upload a folder, model card and ledger included, as one commit.",
        footer = {
            "",
            "Needs a token with write scope (HF_TOKEN). Files that did not change are not sent.",
            "",
            "Examples:",
            "  graft upload small org/name --private",
            "  graft upload small org/name@main/folder --create-pr --commit-message 'Rank 8'"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class UploadCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin FilterOptions filter = new FilterOptions();

    @Parameters(index = "0", paramLabel = "DIR", description = "Folder, or one file.")
    Path source;

    @Parameters(
            index = "1",
            paramLabel = "REPO",
            description = "org/name[@branch][/folder]; created if it is not there.")
    String ref;

    @Option(names = "--private", description = "A repository that must be created is private.")
    boolean isPrivate;

    @Option(names = "--create-pr", description = "Open a pull request instead of committing.")
    boolean createPr;

    @Option(names = "--commit-message", paramLabel = "TEXT", description = "Title of the commit.")
    String message = "Upload with Graft";

    @Option(
            names = "--commit-description",
            paramLabel = "TEXT",
            description = "What follows the title.")
    String description = "";

    @Option(
            names = "--parent-commit",
            paramLabel = "COMMIT",
            description = "Refuse if the branch is not at this commit.")
    @Nullable String parent;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        RepoRef repo = CommonOptions.repository(ref);
        if (parent != null && !parent.matches("[0-9a-f]{40}")) {
            throw new UsageException("--parent-commit " + parent, "give all 40 digits of it");
        }
        if (message.isBlank()) {
            throw new UsageException("--commit-message is empty", "say what this commit is");
        }
        Refs.local(source.toString());
        HubSession hub = common.hub();
        Uploaded done =
                hub.client()
                        .upload(
                                new UploadRequest(
                                        hub.revised(repo),
                                        source,
                                        new FileFilter(List.of(), filter.include, filter.exclude),
                                        message,
                                        description,
                                        createPr,
                                        isPrivate,
                                        Optional.ofNullable(parent)));
        printer.human(
                done.files() == 0
                        ? "Nothing changed: %d files are there already.".formatted(done.unchanged())
                        : "%d files committed, %d unchanged · sent %s"
                                .formatted(
                                        done.files(),
                                        done.unchanged(),
                                        Sizes.decimal(done.bytesSent())));
        printer.human(done.pullRequest().orElse(done.url()));
        printer.line(done.pullRequest().orElse(done.url()));
        printer.document(() -> Json.object(document(repo, done)));
        return ExitCodes.DONE;
    }

    private static Map<String, Object> document(RepoRef repo, Uploaded done) {
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("repository", repo.id());
        document.put("commit", done.commit());
        document.put("url", done.url());
        done.pullRequest().ifPresent(url -> document.put("pullRequest", url));
        document.put("files", done.files());
        document.put("unchanged", done.unchanged());
        document.put("bytesSent", done.bytesSent());
        return document;
    }
}
