package graft.convert.cli;

import graft.convert.verify.VerifyOutput;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "verify",
        description =
                "Re-check folders that Graft wrote: hashes, structure, every entry of a delta.",
        footer = {"", "Example:", "  graft verify small delta merged"})
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class VerifyCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();

    @Parameters(arity = "1..*", paramLabel = "DIR", description = "Folders with a graft.json.")
    List<String> folders;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        List<String> failures = new ArrayList<>();
        int files = 0;
        for (String folder : folders) {
            VerifyOutput.Result result = new VerifyOutput().run(Refs.local(folder));
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
}
