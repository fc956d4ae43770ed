package graft.convert.cli;

import graft.convert.archive.PackFiles;
import graft.convert.archive.PackRequest;

import org.jspecify.annotations.Nullable;

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
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "pack",
        description = "Put models into one small archive that restores them byte for byte.",
        footer = {
            "",
            "The archive is a tar: `tar tf` lists it, small files extract with plain tar.",
            "With --base it holds what differs from that model and needs it to unpack.",
            "For protection against bit rot add parity: par2 create -r5 models.tar",
            "",
            "Examples:",
            "  graft pack my-model -o my-model.tar",
            "  graft pack tuned-a tuned-b --base base-model -o tuned.tar"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class PackCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();

    @Parameters(arity = "1..*", paramLabel = "SRC", description = "Folders and files to pack.")
    List<String> sources;

    @Option(
            names = "--base",
            paramLabel = "REF",
            description = "A model that will be there when unpacking.")
    @Nullable String base;

    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "FILE",
            description = "Archive to create.")
    Path output;

    @Option(names = "--force", description = "Replace the archive if it exists.")
    boolean force;

    @Option(names = "--dry-run", description = "Look at the sources and write nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        int cores = threads.checked();
        if (dryRun && common.announcesDownload(output, sources, base)) {
            return ExitCodes.DONE;
        }
        List<Path> paths = new ArrayList<>();
        for (String source : sources) {
            paths.add(common.path(source));
        }
        var request =
                new PackRequest(
                        paths,
                        base == null ? Optional.empty() : Optional.of(common.path(base)),
                        base == null ? "" : baseName(base),
                        output,
                        force,
                        cores,
                        dryRun,
                        common.progress());
        PackFiles.Result result = new PackFiles().run(request);
        result.warnings().forEach(warning -> printer.note("warning: " + warning));
        if (dryRun) {
            printer.human("%s to pack.".formatted(Sizes.decimal(result.bytesIn())));
            OutputOptions.announceDryRun(printer);
        } else {
            printer.human(
                    "Wrote %s: %d files, %s in %s (%.1f %%)"
                            .formatted(
                                    output,
                                    result.manifest().files().size(),
                                    Sizes.decimal(result.bytesIn()),
                                    Sizes.decimal(result.bytesOut()),
                                    100.0 * result.bytesOut() / Math.max(1, result.bytesIn())));
            printer.path(output);
        }
        printer.document(() -> Json.object(document(result)));
        return ExitCodes.DONE;
    }

    /** What people call it: the same however its path was given, and nothing of where it lies. */
    private String baseName(String ref) throws IOException {
        if (Refs.remote(ref).isPresent()) {
            return common.name(ref);
        }
        Path name = Path.of(ref).toAbsolutePath().normalize().getFileName();
        return name == null ? "root" : name.toString();
    }

    private Map<String, Object> document(PackFiles.Result result) {
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("output", output.toString());
        document.put("bytesIn", result.bytesIn());
        document.put("bytesOut", result.bytesOut());
        document.put("files", ArchiveListing.files(result.manifest().files()));
        document.put("warnings", result.warnings());
        return document;
    }
}
