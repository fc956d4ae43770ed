package graft.convert.cli;

import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.reduce.ReduceAdapter;
import graft.convert.reduce.ReduceMany;
import graft.convert.reduce.ReduceRequest;
import graft.formats.peft.PeftAdapter;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;

@Command(
        name = "reduce",
        description = "Lower the ranks of LoRA adapters by SVD.",
        footer = {
            "",
            "Several adapters, or a folder of adapters, go into one folder each below DIR.",
            "",
            "Examples:",
            "  graft reduce my-adapter --rank 8 -o small",
            "  graft reduce my-adapter --size 20MB -o small",
            "  graft reduce adapter-a adapter-b --energy 0.95 -o small",
            "  graft reduce my-adapter --lossless --profile uniform -o for-vllm"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ReduceCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin AdapterOptions adapter = new AdapterOptions();

    @Parameters(
            paramLabel = "ADAPTER",
            arity = "1..*",
            description = "Folder of a PEFT LoRA adapter, or of such folders.")
    List<String> adapters;

    @ArgGroup(multiplicity = "1")
    RankOptions target;

    @Option(
            names = "--base",
            paramLabel = "REF",
            description = "Base model: a budget then weighs errors by the norms of its weights.")
    @Nullable String base;

    @Option(names = "--dry-run", description = "Say what would be done; write nothing.")
    boolean dryRun;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        var policy = adapter.policy(target.rule(adapter.minRank));
        int cores = threads.checked();
        if (dryRun && common.announcesDownload(write.output, adapters, base)) {
            return ExitCodes.DONE;
        }
        List<ReduceRequest.Source> sources = new ArrayList<>();
        boolean many = adapters.size() > 1;
        for (String ref : adapters) {
            Path path = common.path(ref);
            if (PeftAdapter.isAt(path) || !Files.isDirectory(path)) {
                sources.add(new ReduceRequest.Source(path, common.name(ref), 1));
            } else {
                many = true;
                sources.addAll(inside(path, ref));
            }
        }
        Optional<ReduceRequest.Base> reference = Optional.empty();
        if (base != null) {
            reference =
                    Optional.of(
                            new ReduceRequest.Base(
                                    common.tensors(base, touched(sources)::contains),
                                    common.name(base)));
        }
        var request =
                new ReduceRequest(
                        "reduce",
                        sources,
                        policy,
                        reference,
                        adapter.factorsOnly,
                        write.output,
                        write.force,
                        dryRun,
                        cores,
                        adapter.kernel,
                        common.progress());
        Ledger ledger = many ? new ReduceMany().run(request) : new ReduceAdapter().run(request);
        printer.human(
                many ? AdapterSummary.ofMany(ledger) : AdapterSummary.of(ledger, ledger.tensors()));
        write.announce(printer, dryRun);
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    /** The tensors of the base that the adapters change. */
    private static Set<String> touched(List<ReduceRequest.Source> sources) throws IOException {
        Set<String> names = new HashSet<>();
        for (ReduceRequest.Source source : sources) {
            try (var opened = PeftAdapter.open(source.folder())) {
                opened.modules().forEach(module -> names.add(module.name() + ".weight"));
            }
        }
        return names;
    }

    /** The adapters right below a folder, by name. */
    private static List<ReduceRequest.Source> inside(Path folder, String ref) throws IOException {
        List<Path> found;
        try (var entries = Files.list(folder)) {
            found = entries.filter(PeftAdapter::isAt).sorted().toList();
        }
        if (found.isEmpty()) {
            throw new NoSuchFileException(
                    ref, null, "holds no adapter_config.json, nor do the folders in it");
        }
        return found.stream()
                .map(path -> new ReduceRequest.Source(path, ref + "/" + path.getFileName(), 1))
                .toList();
    }
}
