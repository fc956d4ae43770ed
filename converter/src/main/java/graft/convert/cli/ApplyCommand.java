package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.sparsify.ApplyDelta;
import graft.convert.sparsify.ApplyRequest;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.util.Map;
import java.util.concurrent.Callable;

@Command(
        name = "apply",
        description = "Rebuild a full checkpoint from its base and a sparse delta.",
        footer = {
            "",
            "--force also accepts another base than the recorded one.",
            "",
            "Example:",
            "  graft apply delta --base merged -o model"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ApplyCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();

    @Parameters(paramLabel = "DELTA", description = "Folder or file that graft sparsify wrote.")
    String delta;

    @Option(
            names = "--base",
            required = true,
            paramLabel = "REF",
            description = "The checkpoint that the delta builds on.")
    String base;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        Ledger ledger =
                new ApplyDelta()
                        .run(
                                new ApplyRequest(
                                        common.path(delta),
                                        common.name(delta),
                                        common.path(base),
                                        common.name(base),
                                        write.output,
                                        write.force,
                                        threads.checked(),
                                        common.progress()));
        ledger.warnings().forEach(warning -> printer.note("warning: " + warning));
        printer.human(
                "%d tensors, %s"
                        .formatted(
                                (long) ledger.total("tensors"),
                                Sizes.decimal((long) ledger.total("bytesOut"))));
        write.announce(printer);
        printer.document(LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }
}
