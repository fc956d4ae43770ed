package graft.convert.verify;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import graft.convert.ledger.Ledger;
import graft.formats.FileSpot;
import graft.formats.FormatException;
import graft.formats.MalformedFileException;
import graft.formats.delta.DeltaEntries;
import graft.formats.delta.DeltaHeader;
import graft.formats.delta.DeltaReader;
import graft.formats.delta.SparseTensor;
import graft.formats.io.Sha256;
import graft.formats.onnx.OnnxModel;
import graft.formats.peft.PeftAdapter;
import graft.formats.safetensors.SafetensorsReader;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Checks a folder against its {@code graft.json}: every file is there, of the size and hash written
 * down, nothing else lies beside them, and every safetensors file, delta, adapter and graph reads
 * without a complaint, deltas entry by entry. Stateless, safe from any thread.
 */
public final class VerifyOutput {
    private static final int NEWEST_SCHEMA = Ledger.SCHEMA_VERSION;

    /**
     * What was found.
     *
     * @param files that were checked
     * @param failures a line each; empty if all is well
     */
    public record Result(int files, List<String> failures) {}

    /**
     * @throws NoSuchFileException if the folder has no ledger
     * @throws MalformedFileException if the ledger cannot be read
     */
    public Result run(Path folder) throws IOException {
        Path ledger = folder.resolve(Ledger.FILE_NAME);
        if (!Files.exists(ledger)) {
            throw new NoSuchFileException(
                    folder.toString(),
                    null,
                    "holds no graft.json; graft verify checks what Graft wrote");
        }
        JsonNode document = read(ledger);
        List<String> failures = new ArrayList<>();
        Set<String> listed = new HashSet<>();
        for (JsonNode output : document.path("outputs")) {
            String path = output.path("path").asText();
            if (listed.add(path)) {
                check(ledger, folder, output, failures);
            }
        }
        unlisted(folder, listed, failures);
        return new Result(listed.size(), failures);
    }

    /** A ledger that this Graft can read. */
    static JsonNode read(Path ledger) throws IOException {
        var spot = FileSpot.of(ledger);
        try {
            JsonNode document = new ObjectMapper().readTree(ledger.toFile());
            int schema = document.path("schema").asInt(-1);
            if (schema < 1 || schema > NEWEST_SCHEMA || !document.path("outputs").isArray()) {
                throw new MalformedFileException(
                        spot, "is no ledger of schema 1 to %d".formatted(NEWEST_SCHEMA));
            }
            return document;
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(spot, "not valid JSON: " + e.getOriginalMessage());
        }
    }

    private static void check(Path ledger, Path folder, JsonNode output, List<String> failures)
            throws IOException {
        String path = output.path("path").asText();
        Path file = folder.resolve(path).normalize();
        if (!file.startsWith(folder.normalize())) {
            throw new MalformedFileException(
                    FileSpot.of(ledger),
                    "path %s leaves the folder".formatted(FileSpot.quote(path)));
        }
        if (!Files.isRegularFile(file)) {
            failures.add(path + ": missing");
        } else if (Files.size(file) != output.path("bytes").asLong(-1)) {
            failures.add(
                    "%s: %d bytes, written with %d"
                            .formatted(path, Files.size(file), output.path("bytes").asLong(-1)));
        } else if (!Sha256.of(file).equals(output.path("sha256").asText())) {
            failures.add(path + ": its SHA-256 is not the one written down");
        } else {
            structure(path, file, failures);
        }
    }

    private static void structure(String path, Path file, List<String> failures)
            throws IOException {
        try {
            if (file.endsWith(DeltaHeader.FILE_NAME)) {
                delta(file);
            } else if (file.endsWith(PeftAdapter.WEIGHTS)) {
                PeftAdapter.open(file.resolveSibling(".").normalize()).close();
            } else if (path.endsWith(".safetensors")) {
                SafetensorsReader.open(file).close();
            } else if (path.endsWith(".onnx")) {
                OnnxModel.open(file).close();
            }
        } catch (FormatException e) {
            failures.add(path + ": " + e.getMessage());
        }
    }

    private static void delta(Path file) throws IOException {
        try (var delta = DeltaReader.open(file)) {
            for (SparseTensor tensor : delta.header().tensors()) {
                DeltaEntries entries = delta.entries(tensor);
                while (entries.next()) {
                    entries.value();
                }
            }
        }
    }

    private static void unlisted(Path folder, Set<String> listed, List<String> failures)
            throws IOException {
        try (var files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                String path = folder.relativize(file).toString().replace('\\', '/');
                if (!path.equals(Ledger.FILE_NAME) && !listed.contains(path)) {
                    failures.add(path + ": not in the ledger");
                }
            }
        }
    }
}
