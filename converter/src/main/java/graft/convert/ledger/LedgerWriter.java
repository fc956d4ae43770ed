package graft.convert.ledger;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;

import graft.formats.io.Sha256;

import java.io.IOException;
import java.io.OutputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Writes {@code graft.json}. Stateless. */
public final class LedgerWriter {
    private static final JsonFactory JSON = new JsonFactory();

    private LedgerWriter() {}

    /**
     * Writes {@code ledger} into {@code folder}.
     *
     * @param run what differs from run to run: wall time, peak memory, threads; may be empty
     */
    public static void write(Path folder, Ledger ledger, Map<String, Object> run)
            throws IOException {
        try (OutputStream file = Files.newOutputStream(folder.resolve(Ledger.FILE_NAME));
                Writer text = new java.io.OutputStreamWriter(file, StandardCharsets.UTF_8)) {
            write(text, ledger, run);
            text.write('\n');
        }
    }

    /** The same document as {@link #write(Path, Ledger, Map)} writes, as text. */
    public static String toJson(Ledger ledger, Map<String, Object> run) {
        var text = new StringWriter();
        try {
            write(text, ledger, run);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a StringWriter does not fail
        }
        return text.toString();
    }

    /** Every file below {@code folder} but the ledger itself, by path, hashed. */
    public static List<Ledger.Output> outputs(Path folder) throws IOException {
        return outputs(folder, Map.of());
    }

    /**
     * The same.
     *
     * @param known hashes of files that need not be read again
     */
    public static List<Ledger.Output> outputs(Path folder, Map<Path, String> known)
            throws IOException {
        List<Path> files;
        try (var walk = Files.walk(folder)) {
            files = walk.filter(Files::isRegularFile).toList();
        }
        List<Ledger.Output> outputs = new ArrayList<>();
        for (Path file : files) {
            String path = folder.relativize(file).toString().replace('\\', '/');
            if (!path.equals(Ledger.FILE_NAME)) {
                String hash = known.get(file);
                outputs.add(
                        new Ledger.Output(
                                path, Files.size(file), hash == null ? Sha256.of(file) : hash));
            }
        }
        outputs.sort(Comparator.comparing(Ledger.Output::path));
        return outputs;
    }

    private static void write(Writer to, Ledger ledger, Map<String, Object> run)
            throws IOException {
        var indent = new DefaultIndenter("  ", "\n");
        var printer =
                new DefaultPrettyPrinter(
                                Separators.createDefaultInstance()
                                        .withObjectFieldValueSpacing(Separators.Spacing.AFTER))
                        .withObjectIndenter(indent)
                        .withArrayIndenter(indent);
        try (JsonGenerator json = JSON.createGenerator(to)) {
            json.setPrettyPrinter(printer);
            json.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            json.writeStartObject();
            json.writeNumberField("schema", Ledger.SCHEMA_VERSION);
            json.writeStringField("command", ledger.command());
            inputs(json, ledger);
            object(json, "options", ledger.options());
            outputs(json, ledger);
            tensors(json, ledger);
            object(json, "totals", ledger.totals());
            json.writeFieldName("results");
            plain(json, ledger.results());
            json.writeArrayFieldStart("warnings");
            for (String warning : ledger.warnings()) {
                json.writeString(warning);
            }
            json.writeEndArray();
            object(json, "run", run);
            json.writeEndObject();
        }
    }

    private static void inputs(JsonGenerator json, Ledger ledger) throws IOException {
        json.writeArrayFieldStart("inputs");
        for (var input : ledger.inputs()) {
            json.writeStartObject();
            json.writeStringField("role", input.role());
            json.writeStringField("source", input.source());
            json.writeStringField("file", input.file());
            json.writeNumberField("bytes", input.bytes());
            json.writeStringField("sha256", input.sha256());
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private static void outputs(JsonGenerator json, Ledger ledger) throws IOException {
        json.writeArrayFieldStart("outputs");
        for (var output : ledger.outputs()) {
            json.writeStartObject();
            json.writeStringField("path", output.path());
            json.writeNumberField("bytes", output.bytes());
            json.writeStringField("sha256", output.sha256());
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private static void tensors(JsonGenerator json, Ledger ledger) throws IOException {
        json.writeArrayFieldStart("tensors");
        for (var tensor : ledger.tensors()) {
            json.writeStartObject();
            json.writeStringField("name", tensor.name());
            json.writeStringField("shape", tensor.shape());
            json.writeStringField("dtype", tensor.dtype());
            json.writeStringField("treatment", tensor.treatment());
            json.writeNumberField("bytesIn", tensor.bytesIn());
            json.writeNumberField("bytesOut", tensor.bytesOut());
            for (var figure : tensor.figures().entrySet()) {
                value(json, figure.getKey(), figure.getValue());
            }
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private static void object(JsonGenerator json, String name, Map<String, ?> values)
            throws IOException {
        json.writeFieldName(name);
        plain(json, values);
    }

    private static void value(JsonGenerator json, String name, Object value) throws IOException {
        json.writeFieldName(name);
        plain(json, value);
    }

    /** Maps, lists, strings, numbers and booleans; a number that is not finite becomes a string. */
    private static void plain(JsonGenerator json, Object value) throws IOException {
        switch (value) {
            case Map<?, ?> map -> {
                json.writeStartObject();
                for (var entry : map.entrySet()) {
                    json.writeFieldName(String.valueOf(entry.getKey()));
                    plain(json, entry.getValue());
                }
                json.writeEndObject();
            }
            case List<?> list -> {
                json.writeStartArray();
                for (Object element : list) {
                    plain(json, element);
                }
                json.writeEndArray();
            }
            case Integer i -> json.writeNumber(i);
            case Long l -> json.writeNumber(l);
            case Double d when Double.isFinite(d) -> json.writeNumber(d);
            case Float f when Float.isFinite(f) -> json.writeNumber(f);
            case Boolean b -> json.writeBoolean(b);
            default -> json.writeString(value.toString());
        }
    }
}
