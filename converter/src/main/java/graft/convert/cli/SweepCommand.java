package graft.convert.cli;

import graft.convert.job.ConvertModels;
import graft.convert.job.ConvertRequest;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.merge.MergeOptions;
import graft.convert.sparsify.SparsifyOptions;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

@Command(
        name = "sweep",
        description = "Print the size and error that every setting of convert would give.",
        footer = {"", "Example:", "  graft sweep tune-a tune-b --base base-model"})
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class SweepCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin KinshipOptions kinship = new KinshipOptions();
    @Mixin FineTuneOptions family = new FineTuneOptions();
    @Mixin MergeOptionGroup merge = new MergeOptionGroup();
    @Mixin SparsifyOptionGroup sparsify = new SparsifyOptionGroup();

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        String base = family.base();
        MergeOptions merging = merge.optionsWithoutStatistics(family.fineTunes.size());
        SparsifyOptions sparsifying = sparsify.options();
        int cores = threads.checked();
        List<ConvertRequest.Source> models = new ArrayList<>();
        for (String fineTune : family.fineTunes) {
            models.add(new ConvertRequest.Source(common.path(fineTune), common.name(fineTune)));
        }
        var request =
                new ConvertRequest(
                        models,
                        common.path(base),
                        common.name(base),
                        merging,
                        merge.dtype(),
                        sparsifying,
                        1,
                        Optional.empty(),
                        false,
                        Path.of("unused"),
                        false,
                        kinship.allowUnrelated,
                        true,
                        cores,
                        common.progress());
        Ledger ledger = new ConvertModels().run(request);
        ledger.warnings().forEach(warning -> printer.note("note: " + warning));
        printer.human(ForecastTable.of(ledger.results()));
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }
}
