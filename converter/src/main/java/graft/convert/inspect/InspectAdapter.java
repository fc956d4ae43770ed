package graft.convert.inspect;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.formats.FormatException;
import graft.formats.checkpoint.Checkpoint;
import graft.formats.peft.AdapterChange;
import graft.formats.peft.AdapterConfig;
import graft.formats.peft.DenseChange;
import graft.formats.peft.LoraModule;
import graft.formats.peft.LoraParameter;
import graft.formats.peft.PeftAdapter;
import graft.formats.peft.ReplacedRows;
import graft.formats.peft.ReplacedTensor;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What an adapter changes, by its configuration and the header of its weights. One that Graft
 * refuses is told of as well, with the reason.
 */
final class InspectAdapter {
    private static final long LARGEST_CONFIG = 1 << 24;

    private InspectAdapter() {}

    static Inspection run(Path path, String source) throws IOException {
        try (var adapter = PeftAdapter.open(path)) {
            return of(adapter, source);
        } catch (FormatException refusal) {
            return refused(path, source, refusal);
        }
    }

    private static Inspection of(PeftAdapter adapter, String source) throws IOException {
        AdapterConfig config = adapter.config();
        Map<String, Object> facts = new TreeMap<>();
        facts.put("dialect", adapter.dialect());
        facts.put("type", config.type().name());
        config.baseModel().ifPresent(base -> facts.put("base", base));
        config.peftVersion().ifPresent(version -> facts.put("peftVersion", version));
        facts.put("rsLoRA", config.isRankStabilised());
        facts.put("dora", config.usesDora());
        facts.put("initialisation", config.initialisation());
        facts.putAll(counts(adapter));
        List<Map<String, Object>> changes = new ArrayList<>();
        for (AdapterChange change : adapter.changes()) {
            changes.add(describe(adapter, change));
        }
        facts.put("changes", changes);
        long read = adapter.headerBytes();
        if (adapter.files().size() > 1) {
            read += Files.size(adapter.files().getFirst());
        }
        return inspection(
                source,
                adapter.files(),
                read,
                adapter.tensors().tensors(),
                facts,
                adapter.warnings());
    }

    private static Map<String, Object> counts(PeftAdapter adapter) {
        var ranks = new TreeSet<Integer>();
        var scales = new TreeSet<Double>();
        var components = new TreeSet<String>();
        int modules = 0;
        int wholes = 0;
        int rows = 0;
        long perRank = 0;
        for (AdapterChange change : adapter.changes()) {
            switch (change) {
                case LoraModule module -> {
                    ranks.add(module.rank());
                    scales.add(module.scale());
                    perRank +=
                            module.isPlain()
                                    ? ((long) module.in() + module.out())
                                            * module.a().dtype().bytes()
                                    : 0;
                }
                case LoraParameter parameter ->
                        parameter
                                .candidates()
                                .forEach(candidate -> {
                                    ranks.add(candidate.rank());
                                    scales.add(candidate.scale());
                                });
                case DenseChange _ -> {}
                case ReplacedTensor _ -> wholes++;
                case ReplacedRows replaced -> rows += replaced.tokens().size();
            }
            boolean isModule =
                    !(change instanceof ReplacedTensor || change instanceof ReplacedRows);
            modules += isModule ? 1 : 0;
            String component = adapter.locate(change).component();
            if (!component.isEmpty()) {
                components.add(component);
            }
        }
        Map<String, Object> facts = new TreeMap<>();
        facts.put("modules", modules);
        facts.put("ranks", List.copyOf(ranks));
        facts.put("scales", List.copyOf(scales));
        facts.put("wholeTensors", wholes);
        facts.put("trainedTokens", rows);
        facts.put("factorBytesPerRank", perRank);
        if (!components.isEmpty()) {
            facts.put("components", List.copyOf(components));
        }
        return facts;
    }

    private static Map<String, Object> describe(PeftAdapter adapter, AdapterChange change) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("name", change.name());
        switch (change) {
            case LoraModule module -> {
                String layer = module.layer().name().toLowerCase(java.util.Locale.ROOT);
                fields.put("kind", module.magnitude() == null ? layer : "dora " + layer);
                fields.put("out", module.out());
                fields.put("in", module.in());
                fields.put("rank", module.rank());
                fields.put("scale", module.scale());
            }
            case LoraParameter parameter -> {
                fields.put("kind", "parameter");
                fields.put(
                        "parameters",
                        parameter.candidates().stream()
                                .map(LoraParameter.Candidate::tensor)
                                .toList());
            }
            case DenseChange dense ->
                    fields.put(
                            "kind",
                            dense.getClass().getSimpleName().toLowerCase(java.util.Locale.ROOT));
            case ReplacedTensor _ -> fields.put("kind", "whole");
            case ReplacedRows rows -> {
                fields.put("kind", "tokens");
                fields.put("tokens", rows.tokens().size());
            }
        }
        String component = adapter.locate(change).component();
        if (!component.isEmpty()) {
            fields.put("component", component);
        }
        List<TensorInfo> tensors = change.tensors();
        fields.put("dtype", tensors.getFirst().dtype().name());
        fields.put("numbers", tensors.stream().mapToLong(t -> t.shape().elements()).sum());
        return fields;
    }

    /** What can be said all the same: tensors, and the type that the configuration claims. */
    private static Inspection refused(Path path, String source, FormatException refusal)
            throws IOException {
        List<Path> files = PeftAdapter.filesAt(path);
        Path weights = files.getLast();
        List<TensorInfo> tensors = List.of();
        long read = 0;
        if (Files.exists(weights)) {
            try (var opened = Checkpoint.open(weights)) {
                tensors = List.copyOf(opened.tensors());
                read = opened.headerBytes();
            } catch (FormatException e) {
                throw refusal; // nothing to tell of
            }
        }
        Map<String, Object> facts = new TreeMap<>();
        if (files.size() > 1) {
            Path config = files.getFirst();
            read += Files.size(config);
            facts.put("type", claimedType(config));
        }
        facts.put("refused", String.valueOf(refusal.getMessage()));
        facts.put("remedy", refusal.help());
        return inspection(source, files, read, tensors, facts, List.of());
    }

    private static String claimedType(Path config) throws IOException {
        if (Files.size(config) <= LARGEST_CONFIG) {
            try {
                JsonNode root = new ObjectMapper().readTree(Files.readAllBytes(config));
                return root.path("peft_type").asText("unknown");
            } catch (JsonProcessingException e) {
                return "unknown"; // the refusal says why
            }
        }
        return "unknown";
    }

    private static Inspection inspection(
            String source,
            List<Path> files,
            long read,
            List<TensorInfo> tensors,
            Map<String, Object> facts,
            List<String> warnings)
            throws IOException {
        long bytes = 0;
        List<String> names = new ArrayList<>();
        for (Path file : files) {
            bytes += Files.exists(file) ? Files.size(file) : 0;
            names.add(file.getFileName().toString());
        }
        return new Inspection(
                source, Inspection.Kind.ADAPTER, names, bytes, read, tensors, facts, warnings);
    }
}
