package graft.convert.cli;

import graft.convert.archive.VerifyArchive;
import graft.convert.plan.Workers;
import graft.convert.verify.DeltaFigures;
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
                        + " a delta and its errors where the inputs are still there, every byte of"
                        + " an archive.",
        footer = {
            "",
            "Examples:",
            "  graft verify small delta merged",
            "  graft verify family --source /backup/tune-a --source /backup/tune-b",
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

    @Option(
            names = "--source",
            paramLabel = "REF",
            description =
                    "A fine-tune or base that deltas were made from, if it is not where it was; may be"
                            + " repeated.")
    List<String> sources = new ArrayList<>();

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        List<String> failures = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        List<Path> inputs = new ArrayList<>();
        for (String source : sources) {
            inputs.add(common.path(source));
        }
        int files = 0;
        int derived = 0;
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
            if (result.failures().isEmpty()) { // errors of damaged files say nothing
                DeltaFigures.Result figures = figures(path, inputs);
                derived += figures.tensors();
                figures.failures().forEach(failure -> failures.add(folder + "/" + failure));
                figures.notes().forEach(note -> notes.add(folder + ": " + note));
                if (figures.tensors() > 0) {
                    printer.human(
                            "%s: figures of %d tensors derived again, %s"
                                    .formatted(
                                            folder,
                                            figures.tensors(),
                                            figures.failures().isEmpty()
                                                    ? "all as in the ledger"
                                                    : figures.failures().size() + " differ"));
                }
            }
        }
        notes.forEach(note -> printer.note("note: " + note));
        failures.forEach(failure -> printer.note("graft: " + failure));
        Map<String, Object> document =
                Map.of(
                        "files",
                        files,
                        "rederivedTensors",
                        derived,
                        "notRederived",
                        notes,
                        "failures",
                        failures,
                        "ok",
                        failures.isEmpty());
        printer.document(() -> Json.object(document));
        return failures.isEmpty() ? ExitCodes.DONE : ExitCodes.CHECK_FAILED;
    }

    private DeltaFigures.Result figures(Path folder, List<Path> inputs) throws IOException {
        try (var workers = new Workers(threads.checked())) {
            return new DeltaFigures().run(folder, inputs, workers, common.progress());
        }
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
