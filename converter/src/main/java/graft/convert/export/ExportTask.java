package graft.convert.export;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.ConversionException;
import graft.convert.ledger.Ledger;
import graft.formats.delta.DeltaReader;
import graft.formats.peft.PeftAdapter;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A model to export.
 *
 * @param path of its folder or file
 * @param source what the user called it
 * @param name of its graph: that of its folder; clashes get a number
 * @param merged the merged model it builds on, if it is of a bundle that has one
 */
record ExportTask(Path path, String source, String name, Optional<Path> merged) {
    private static final String MERGED = "merged";

    /** Sources one by one, and the models of bundles. */
    static List<ExportTask> of(List<ExportRequest.Named> sources) throws IOException {
        List<ExportTask> tasks = new ArrayList<>();
        Set<String> taken = new HashSet<>();
        for (ExportRequest.Named source : sources) {
            if (isBundle(source.path())) {
                tasks.addAll(ofBundle(source, taken));
            } else {
                String name = free(source.title(), taken);
                tasks.add(new ExportTask(source.path(), source.source(), name, Optional.empty()));
            }
        }
        return tasks;
    }

    /** Whether {@code graft convert} made the folder: it has a ledger, and models in folders. */
    private static boolean isBundle(Path folder) throws IOException {
        Path ledger = folder.resolve(Ledger.FILE_NAME);
        if (!Files.isRegularFile(ledger)) {
            return false;
        }
        JsonNode document = new ObjectMapper().readTree(ledger.toFile());
        return document.path("command").asText().equals("convert");
    }

    private static List<ExportTask> ofBundle(ExportRequest.Named bundle, Set<String> taken)
            throws IOException {
        Path merged = bundle.path().resolve(MERGED);
        List<Path> folders;
        try (var entries = Files.list(bundle.path())) {
            folders = entries.filter(Files::isDirectory).sorted().toList();
        }
        List<ExportTask> tasks = new ArrayList<>();
        for (Path folder : folders) {
            boolean delta = DeltaReader.isAt(folder);
            if (delta || PeftAdapter.isAt(folder)) {
                tasks.add(
                        new ExportTask(
                                folder,
                                bundle.source() + "/" + folder.getFileName(),
                                free(String.valueOf(folder.getFileName()), taken),
                                Optional.of(merged).filter(m -> delta && Files.exists(m))));
            }
        }
        if (tasks.isEmpty()) {
            throw new ConversionException.NothingMatched(
                    bundle.source() + " holds no delta and no adapter",
                    "give a folder that graft convert made, or its models one by one");
        }
        return tasks;
    }

    private static String free(String own, Set<String> taken) {
        String plain =
                own.replaceAll("\\.(safetensors|onnx_adapter)$", "")
                        .replaceAll("[^A-Za-z0-9._-]", "_");
        String name = plain;
        for (int i = 2; !taken.add(name); i++) {
            name = plain + "-" + i;
        }
        return name;
    }
}
