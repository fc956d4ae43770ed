package graft.convert.cli;

import graft.convert.apply.AdapterRequest;
import graft.convert.apply.ApplyAdapter;
import graft.convert.apply.Rounding;
import graft.convert.ledger.Ledger;
import graft.convert.ledger.LedgerWriter;
import graft.convert.sparsify.ApplyDelta;
import graft.convert.sparsify.ApplyRequest;
import graft.formats.delta.DeltaReader;
import graft.formats.peft.PeftAdapter;

import org.jspecify.annotations.Nullable;

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
import java.util.Set;
import java.util.concurrent.Callable;

@Command(
        name = "apply",
        description = "Rebuild a full checkpoint from its base and a sparse delta or an adapter.",
        footer = {
            "",
            "An adapter's result has the base's file names and shards, with its configuration beside.",
            "--force also accepts another base than the one a delta records.",
            "",
            "Examples:",
            "  graft apply delta --base merged -o model",
            "  graft apply family/task -o model",
            "  graft apply my-adapter --base base-model -o model",
            "  graft apply lora.safetensors --base unet=sd/unet --base text_encoder=sd/text_encoder -o model"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ApplyCommand implements Callable<Integer> {
    @Mixin CommonOptions common = new CommonOptions();
    @Mixin OutputOptions write = new OutputOptions();
    @Mixin ThreadOptions threads = new ThreadOptions();
    @Mixin ShardOptions shards = new ShardOptions();

    @Parameters(
            paramLabel = "DELTA|ADAPTER",
            description = "Folder or file that graft sparsify wrote, or an adapter.")
    String delta;

    @Option(
            names = "--base",
            paramLabel = "[COMPONENT=]REF",
            description = {
                "The checkpoint that it builds on; a diffusers folder, or one COMPONENT=REF per component,",
                "for an adapter of several. Not needed for a task of a conversion folder, which has its",
                "merged model beside it."
            })
    List<String> bases = new ArrayList<>();

    @Option(
            names = "--exact-as",
            paramLabel = "peft",
            description = "Of an adapter: round where peft 0.21.2 rounds, instead of once.")
    @Nullable Reference exactAs;

    @Option(
            names = "--initial-adapter",
            paramLabel = "REF",
            description = {
                "The adapter that training started from, for one that changed its base",
                "(init_lora_weights pissa, olora, …)."
            })
    @Nullable String initial;

    @Option(names = "--dry-run", description = "Say what would be done; write nothing.")
    boolean dryRun;

    /** What can be imitated. */
    enum Reference {
        peft
    }

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        int cores = threads.checked();
        long maxShardBytes = shards.checked();
        if (dryRun && common.announcesDownload(write.output, refs(), null)) {
            return ExitCodes.DONE;
        }
        Path path = common.path(delta);
        checkKind(path);
        if (bases.isEmpty()) {
            bases.add(beside(path));
        }
        List<AdapterRequest.Base> found = bases();
        boolean sparse = isDelta(path);
        Ledger ledger =
                sparse
                        ? applyDelta(path, found, maxShardBytes, cores)
                        : applyAdapter(path, found, cores);
        ledger.warnings().forEach(warning -> printer.note("warning: " + warning));
        printer.human(
                "%d tensors, %s"
                                .formatted(
                                        (long) ledger.total("tensors"),
                                        Sizes.decimal((long) ledger.total("bytesOut")))
                        + (sparse
                                ? ""
                                : " · %d changed by %d modules, %d as in the base"
                                        .formatted(
                                                (long) ledger.total("tensorsMerged"),
                                                (long) ledger.total("modules"),
                                                (long) ledger.total("tensorsCarried"))));
        write.announce(printer, dryRun);
        printer.document(() -> LedgerWriter.toJson(ledger, Map.of()));
        return ExitCodes.DONE;
    }

    private static boolean isDelta(Path path) {
        return DeltaReader.isAt(path) || (Files.isRegularFile(path) && !PeftAdapter.isAt(path));
    }

    private List<String> refs() {
        List<String> refs = new ArrayList<>(List.of(delta));
        bases.forEach(
                base -> refs.add(isNamed(base) ? base.substring(base.indexOf('=') + 1) : base));
        if (initial != null) {
            refs.add(initial);
        }
        return refs;
    }

    /** Whether a base says of which component it is. */
    private static boolean isNamed(String base) {
        int equals = base.indexOf('=');
        return equals > 0 && base.substring(0, equals).matches("[a-z][a-z0-9_]*");
    }

    private void checkKind(Path path) throws NoSuchFileException {
        if (!isDelta(path) && !PeftAdapter.isAt(path)) {
            throw new NoSuchFileException(
                    delta, null, "holds neither a sparse delta nor an adapter");
        }
    }

    private List<AdapterRequest.Base> bases() throws IOException {
        List<AdapterRequest.Base> found = new ArrayList<>();
        Set<String> components = new HashSet<>();
        for (String base : bases) {
            int equals = base.indexOf('=');
            boolean isNamed = isNamed(base);
            String component = isNamed ? base.substring(0, equals) : "";
            String ref = isNamed ? base.substring(equals + 1) : base;
            if (!components.add(component)) {
                throw new UsageException(
                        "--base " + base + ": given twice",
                        "give --base once, or once per component: --base unet=PATH");
            }
            found.add(new AdapterRequest.Base(component, common.path(ref), common.name(ref)));
        }
        if (components.contains("") && components.size() > 1) {
            throw new UsageException(
                    "--base with and without a component",
                    "give --base once, or once per component: --base unet=PATH");
        }
        return found;
    }

    private Ledger applyDelta(
            Path path, List<AdapterRequest.Base> found, long maxShardBytes, int cores)
            throws IOException {
        AdapterRequest.Base base = found.getFirst();
        if (!base.component().isEmpty() || exactAs != null || initial != null) {
            throw new UsageException(
                    "%s is no adapter: COMPONENT=, --exact-as and --initial-adapter do not apply"
                            .formatted(delta),
                    "a sparse delta has one base and is exact: graft apply DELTA --base REF -o DIR");
        }
        var request =
                new ApplyRequest(
                        path,
                        common.name(delta),
                        base.path(),
                        base.source(),
                        maxShardBytes,
                        write.output,
                        write.force,
                        cores,
                        common.progress());
        return dryRun ? new ApplyDelta().plan(request) : new ApplyDelta().run(request);
    }

    private Ledger applyAdapter(Path path, List<AdapterRequest.Base> found, int cores)
            throws IOException {
        if (shards.size != null) {
            throw new UsageException(
                    ShardOptions.NAME + " is for sparse deltas; an adapter keeps the base's files",
                    "leave it out");
        }
        var request =
                new AdapterRequest(
                        path,
                        common.name(delta),
                        found,
                        initial == null ? null : common.path(initial),
                        exactAs == null ? Rounding.ONCE : Rounding.PEFT,
                        write.output,
                        write.force,
                        cores,
                        common.progress());
        return dryRun ? new ApplyAdapter().plan(request) : new ApplyAdapter().run(request);
    }

    /** The merged model of the conversion that {@code task} is a part of. */
    private static String beside(Path task) {
        Path folder = task.toAbsolutePath().normalize();
        folder = Files.isDirectory(folder) ? folder : folder.getParent();
        Path parent = folder == null ? null : folder.getParent();
        if (parent != null
                && isDelta(task)
                && Files.exists(parent.resolve(Ledger.FILE_NAME))
                && Files.isDirectory(parent.resolve("merged"))) {
            return parent.resolve("merged").toString();
        }
        throw new UsageException(
                "no --base, and no conversion around " + task,
                "name the checkpoint that it builds on: --base REF");
    }
}
