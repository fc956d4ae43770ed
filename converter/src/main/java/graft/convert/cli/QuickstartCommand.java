package graft.convert.cli;

import graft.convert.job.Quickstart;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "quickstart",
        description = "The main job on real models that come with Graft; no network.",
        footer = {"", "Example:", "  graft quickstart -o my-first-graft"})
final class QuickstartCommand implements Callable<Integer> {
    private static final String DEFAULT_OUTPUT = "graft-quickstart";
    private static final String OWN_FAMILY = "testdata/families/mini";

    @Mixin CommonOptions common = new CommonOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();

    @Option(
            names = {"-o", "--output"},
            paramLabel = "DIR",
            description =
                    "Folder to create; by default graft-quickstart, with a number if that is there.")
    @Nullable Path output;

    @Option(
            names = "--family",
            paramLabel = "DIR",
            description =
                    "Another family: base/, fft-TASK/, lora-TASK/, eval-TASK.safetensors, onnx/.")
    @Nullable Path family;

    @Option(names = "--force", description = "Replace the output if it exists.")
    boolean force;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        Path folder = output == null ? unused() : output;
        var request =
                new Quickstart.Request(
                        familyFolder(), folder, force, threads.checked(), common.progress());
        Ledger ledger = new Quickstart().run(request);
        printer.human(QuickstartTable.of(ledger));
        printer.human("Wrote " + folder);
        printer.path(folder);
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    private Path familyFolder() {
        if (family != null) {
            return family;
        }
        String home = System.getProperty("graft.home", "");
        return Path.of(home).resolve(OWN_FAMILY);
    }

    private static Path unused() {
        Path folder = Path.of(DEFAULT_OUTPUT);
        for (int i = 2; Files.exists(folder); i++) {
            folder = Path.of(DEFAULT_OUTPUT + "-" + i);
        }
        return folder;
    }
}
