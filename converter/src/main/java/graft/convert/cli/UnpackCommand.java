package graft.convert.cli;

import graft.convert.archive.UnpackArchive;
import graft.convert.archive.UnpackRequest;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.regex.PatternSyntaxException;

@Command(
        name = "unpack",
        description = "Restore models from an archive, byte for byte.",
        footer = {
            "",
            "Every file is checked against its SHA-256. --salvage restores what is intact in a",
            "damaged archive, names the rest and ends with exit code 1.",
            "",
            "Examples:",
            "  graft unpack tuned.tar --base base-model -o models",
            "  graft unpack tuned.tar --member '*.json' -o configs"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class UnpackCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();

    @Parameters(paramLabel = "FILE", description = "Archive that graft pack wrote.")
    String archive;

    @Option(
            names = "--base",
            paramLabel = "REF",
            description = "The model that the archive was packed against.")
    @Nullable String base;

    @Option(
            names = "--member",
            paramLabel = "GLOB",
            description = "Restore only files whose path or name matches; may be repeated.")
    List<String> members = List.of();

    @Option(names = "--salvage", description = "Restore what is intact and leave out the rest.")
    boolean salvage;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        UnpackArchive.Result result;
        Path file = common.path(archive);
        if (Files.isDirectory(file)) {
            throw new NoSuchFileException(
                    archive, null, "is a folder, not a file that graft pack wrote");
        }
        try {
            result =
                    new UnpackArchive()
                            .run(
                                    new UnpackRequest(
                                            file,
                                            archive,
                                            base == null
                                                    ? Optional.empty()
                                                    : Optional.of(common.path(base)),
                                            members,
                                            write.output,
                                            write.force,
                                            salvage,
                                            threads.checked(),
                                            common.progress()));
        } catch (PatternSyntaxException e) {
            throw new UsageException(
                    "--member %s: %s".formatted(e.getPattern(), e.getDescription()),
                    "* and ? stand for characters, [ab] for one of them, {x,y} for one of these");
        }
        result.failures().forEach(failure -> printer.note("graft: " + failure));
        printer.human(
                "Wrote %s: %d files, %s, every SHA-256 as packed%s"
                        .formatted(
                                write.output,
                                result.files(),
                                Sizes.decimal(result.bytes()),
                                result.failures().isEmpty()
                                        ? ""
                                        : "; %d damaged files left out"
                                                .formatted(result.failures().size())));
        printer.path(write.output);
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("output", write.output.toString());
        document.put("files", result.files());
        document.put("bytes", result.bytes());
        document.put("failures", result.failures());
        printer.document(() -> Json.object(document));
        return result.failures().isEmpty() ? ExitCodes.DONE : ExitCodes.CHECK_FAILED;
    }
}
