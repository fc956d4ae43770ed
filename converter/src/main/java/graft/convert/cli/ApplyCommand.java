package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.sparsify.ApplyDelta;
import graft.convert.sparsify.ApplyRequest;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "apply",
        description = "Rebuild a full checkpoint from its base and a sparse delta.",
        footer = {"", "Example:", "  graft apply delta --base merged -o model"})
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ApplyCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();

    @Parameters(paramLabel = "DELTA", description = "Folder or file that graft sparsify wrote.")
    String delta;

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "The checkpoint that the delta builds on.")
    String base;

    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "DIR",
            description = "Folder to create.")
    Path output;

    @Option(
            names = "--force",
            description =
                    "Replace the output if it exists, and accept another base than the recorded one.")
    boolean force;

    @Option(
            names = {"-j", "--threads"},
            paramLabel = "N",
            description = "Work on N cores at once; 0, the default, for all.")
    int threads;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        if (threads < 0) {
            throw new UsageException("--threads " + threads, "--threads takes 0 or more");
        }
        Ledger ledger =
                new ApplyDelta()
                        .run(
                                new ApplyRequest(
                                        Refs.local(delta),
                                        delta,
                                        Refs.local(base),
                                        base,
                                        output,
                                        force,
                                        threads,
                                        common.progress()));
        ledger.warnings().forEach(warning -> printer.note("warning: " + warning));
        printer.human(
                "%d tensors, %s"
                        .formatted(
                                (long) ledger.total("tensors"),
                                Sizes.decimal((long) ledger.total("bytesOut"))));
        printer.human("Wrote " + output);
        printer.path(output);
        printer.document(LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }
}
