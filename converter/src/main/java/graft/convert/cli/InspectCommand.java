package graft.convert.cli;

import graft.convert.inspect.InspectModel;
import graft.convert.inspect.Inspection;
import graft.formats.tensor.TensorInfo;
import graft.hub.RepoRef;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;

@Command(
        name = "inspect",
        description =
                "What is in a checkpoint, adapter, delta, graph or archive, from headers alone.",
        footer = {
            "",
            "Examples:",
            "  graft inspect my-adapter",
            "  graft inspect org/name@v1",
            "  graft inspect model.onnx --tensors"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class InspectCommand implements Callable<Integer> {
    /** A line per module, or said in a sentence of its own. */
    private static final Set<String> IN_JSON_ONLY =
            Set.of("changes", "refused", "remedy", "factorBytesPerRank");

    @Mixin CommonOptions common = new CommonOptions();

    @Parameters(paramLabel = "REF", description = "File, folder, or org/name on the Hub.")
    String ref;

    @Option(names = "--tensors", description = "List every tensor.")
    boolean tensors;

    @Override
    public Integer call() throws Exception {
        Printer printer = common.printer();
        Optional<RepoRef> repo = Refs.remote(ref);
        if (repo.isEmpty() && ArchiveListing.isArchive(Refs.local(ref))) {
            ArchiveListing.print(Refs.local(ref), ref, printer);
            return ExitCodes.DONE;
        }
        Inspection found =
                repo.isPresent()
                        ? common.hub().inspect(repo.get())
                        : new InspectModel().run(Refs.local(ref), ref);
        found.warnings().forEach(warning -> printer.note("warning: " + warning));
        printer.human(summary(found));
        if (tensors) {
            for (TensorInfo info : found.tensors()) {
                printer.human("  %-8s %-20s %s".formatted(info.dtype(), info.shape(), info.name()));
            }
        }
        printer.line(ref);
        printer.document(() -> Json.object(document(found)));
        return ExitCodes.DONE;
    }

    static String summary(Inspection found) {
        List<String> lines = new ArrayList<>();
        String types =
                found.dtypes().entrySet().stream()
                        .map(entry -> entry.getValue() + " " + entry.getKey())
                        .collect(Collectors.joining(", "));
        lines.add(
                "%s: %s · %s in %s"
                        .formatted(
                                found.source(),
                                found.kind().words(),
                                Sizes.decimal(found.fileBytes()),
                                found.files().size() == 1
                                        ? found.files().getFirst()
                                        : found.files().size() + " files"));
        lines.add(
                "%d tensors (%s), %,d numbers · read %s"
                        .formatted(
                                found.tensors().size(),
                                types,
                                found.parameters(),
                                Sizes.decimal(found.bytesRead())));
        found.facts()
                .forEach((name, value) -> {
                    if (!IN_JSON_ONLY.contains(name)) {
                        lines.add("  %-18s %s".formatted(name, value));
                    }
                });
        if (found.facts().containsKey("refused")) {
            lines.add("refused: %s".formatted(found.facts().get("refused")));
            lines.add("help: %s".formatted(found.facts().get("remedy")));
        } else if (found.kind() == Inspection.Kind.ADAPTER) {
            savings(found).ifPresent(lines::add);
        }
        return String.join("\n", lines);
    }

    /** Exact from the header: a rank costs the same bytes whatever its factors hold. */
    private static Optional<String> savings(Inspection found) {
        long perRank = (Long) found.facts().getOrDefault("factorBytesPerRank", 0L);
        int most =
                ((List<?>) found.facts().getOrDefault("ranks", List.of()))
                        .stream().mapToInt(rank -> (Integer) rank).max().orElse(1);
        List<String> parts = new ArrayList<>();
        for (int rank = most / 2; rank >= 1 && parts.size() < 3; rank /= 2) {
            parts.add("r %d → %s".formatted(rank, Sizes.decimal(perRank * rank)));
        }
        return perRank == 0 || parts.isEmpty()
                ? Optional.empty()
                : Optional.of("factors of every module cut to: " + String.join(" · ", parts));
    }

    private Map<String, Object> document(Inspection found) {
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("source", found.source());
        document.put("kind", found.kind().name().toLowerCase(java.util.Locale.ROOT));
        document.put("files", found.files());
        document.put("bytes", found.fileBytes());
        document.put("bytesRead", found.bytesRead());
        document.put("parameters", found.parameters());
        document.put("facts", found.facts());
        document.put("warnings", found.warnings());
        List<Map<String, Object>> list = new ArrayList<>();
        for (TensorInfo info : found.tensors()) {
            Map<String, Object> tensor = new LinkedHashMap<>();
            tensor.put("name", info.name());
            tensor.put("dtype", info.dtype().name());
            tensor.put("shape", Arrays.stream(info.shape().toArray()).boxed().toList());
            tensor.put("bytes", info.bytes());
            list.add(tensor);
        }
        document.put("tensors", list);
        return document;
    }
}
