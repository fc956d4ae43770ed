package graft.convert.cli;

import graft.convert.archive.VerifyArchive;
import graft.convert.verify.VerifyOutput;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "verify",
        description =
                "Re-check what Graft wrote, folders and archives: hashes, structure, every entry of"
                        + " a delta, every byte of an archive.",
        footer = {
            "",
            "Examples:",
            "  graft verify small delta merged",
            "  graft verify models.tar"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class VerifyCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();

    @Mixin ThreadOptions threads = new ThreadOptions();

    @Parameters(
            arity = "1..*",
            paramLabel = "PATH",
            description = "Folders with a graft.json, and archives.")
    List<String> folders;

    @Option(
            names = "--base",
            paramLabel = "REF",
            description = "The model that an archive was packed against.")
    @Nullable String base;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        List<String> failures = new ArrayList<>();
        int files = 0;
        for (String folder : folders) {
            Path path = Refs.local(folder);
            if (Files.isRegularFile(path)) {
                files += archive(path, folder, printer, failures);
                continue;
            }
            VerifyOutput.Result result = new VerifyOutput().run(path);
            files += result.files();
            result.failures().forEach(failure -> failures.add(folder + "/" + failure));
            printer.human(
                    "%s: %d files, %s"
                            .formatted(
                                    folder,
                                    result.files(),
                                    result.failures().isEmpty()
                                            ? "all as written"
                                            : result.failures().size() + " failures"));
        }
        failures.forEach(failure -> printer.note("graft: " + failure));
        printer.document(
                Json.object(
                        Map.of("files", files, "failures", failures, "ok", failures.isEmpty())));
        return failures.isEmpty() ? ExitCodes.DONE : ExitCodes.CHECK_FAILED;
    }

    private int archive(Path path, String source, Printer printer, List<String> failures)
            throws IOException {
        VerifyArchive.Result result =
                new VerifyArchive()
                        .run(
                                path,
                                source,
                                base == null ? Optional.empty() : Optional.of(common.path(base)),
                                threads.checked(),
                                common.progress());
        failures.addAll(result.failures());
        printer.human(
                "%s: %d files, %s%s"
                        .formatted(
                                source,
                                result.files(),
                                result.failures().isEmpty()
                                        ? "all as packed"
                                        : result.failures().size() + " failures",
                                result.needBase() == 0
                                        ? ""
                                        : "; %d of them by their stored bytes alone, --base checks the rest"
                                                .formatted(result.needBase())));
        return result.files();
    }
}
