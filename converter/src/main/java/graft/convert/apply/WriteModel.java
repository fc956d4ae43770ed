package graft.convert.apply;

import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import graft.convert.ledger.TensorRecord;
import graft.convert.plan.Progress;
import graft.convert.plan.Workers;
import graft.formats.io.SideFiles;
import graft.formats.safetensors.SafetensorsWriter;
import graft.formats.tensor.TensorInfo;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Writes merged tensors under the base's own file names, with its configuration beside.
 *
 * @param workers tensors of one file run at once
 * @param progress hears bytes written
 */
record WriteModel(Workers workers, Progress progress) {
    private static final JsonMapper JSON = new JsonMapper();

    /** Writes one component into {@code folder}, which exists. */
    List<TensorRecord> write(Path folder, BaseModel base, List<MergedTensor> tensors)
            throws IOException {
        SideFiles.copy(base.path(), folder);
        JsonNode config = Vocabulary.adapted(base, tensors);
        if (config != null && Files.isDirectory(base.path())) {
            json(folder.resolve("config.json"), config);
        }
        Map<String, MergedTensor> byName = new HashMap<>();
        List<MergedTensor> added = new ArrayList<>();
        for (MergedTensor tensor : tensors) {
            byName.put(tensor.out().name(), tensor);
            if (base.weights().find(tensor.out().name()).isEmpty()) {
                added.add(tensor);
            }
        }
        List<TensorRecord> records = new ArrayList<>();
        Map<String, String> weightMap = new TreeMap<>();
        for (BaseModel.Shard shard : base.shards()) {
            List<MergedTensor> items = new ArrayList<>();
            for (TensorInfo info : shard.tensors()) {
                items.add(byName.get(info.name()));
            }
            if (shard == base.shards().getLast()) {
                items.addAll(added);
            }
            records.addAll(write(folder, shard, items));
            items.forEach(item -> weightMap.put(item.out().name(), shard.name()));
        }
        if (base.shards().size() > 1) {
            index(folder, base, tensors, weightMap);
        }
        return records;
    }

    private List<TensorRecord> write(Path folder, BaseModel.Shard shard, List<MergedTensor> items)
            throws IOException {
        List<TensorInfo> infos = items.stream().map(MergedTensor::out).toList();
        Map<String, String> metadata =
                shard.metadata().isEmpty() ? Map.of("format", "pt") : shard.metadata();
        try (var sink = SafetensorsWriter.create(folder.resolve(shard.name()), infos, metadata)) {
            return workers.map(
                    items,
                    item -> {
                        item.write(sink);
                        progress.advance(item.out().bytes());
                        return item.record();
                    });
        }
    }

    private static void index(
            Path folder, BaseModel base, List<MergedTensor> tensors, Map<String, String> weightMap)
            throws IOException {
        ObjectNode root = JSON.createObjectNode();
        long bytes = tensors.stream().mapToLong(tensor -> tensor.out().bytes()).sum();
        root.putObject("metadata").put("total_size", bytes);
        ObjectNode map = root.putObject("weight_map");
        weightMap.forEach(map::put);
        String first = base.shards().getFirst().name();
        String stem = first.replaceFirst("-\\d+-of-\\d+\\.safetensors$", ".safetensors");
        json(folder.resolve(stem + ".index.json"), root);
    }

    private static void json(Path file, JsonNode root) throws IOException {
        var printer =
                new DefaultPrettyPrinter().withObjectIndenter(new DefaultIndenter("  ", "\n"));
        Files.writeString(file, JSON.writer(printer).writeValueAsString(root) + "\n");
    }

    /** Copies what a pipeline has besides the folders that were merged. */
    static void copyOthers(Path pipeline, Path output, Set<String> merged) throws IOException {
        Files.walkFileTree(
                pipeline,
                Set.of(java.nio.file.FileVisitOption.FOLLOW_LINKS),
                8,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult preVisitDirectory(
                            Path folder, BasicFileAttributes attributes) throws IOException {
                        String name = pipeline.relativize(folder).toString();
                        if (name.startsWith(".") || merged.contains(name)) {
                            return FileVisitResult.SKIP_SUBTREE;
                        }
                        Files.createDirectories(output.resolve(name));
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        if (attributes.isRegularFile()) {
                            Files.copy(file, output.resolve(pipeline.relativize(file)));
                        }
                        return FileVisitResult.CONTINUE;
                    }
                });
    }
}
