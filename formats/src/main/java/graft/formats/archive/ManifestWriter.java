package graft.formats.archive;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;

import graft.formats.io.Sha256;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;

/** Writes the manifest as JSON that holds its own hash. */
final class ManifestWriter {
    static final String FORMAT = "graft-archive";
    static final int VERSION = 1;

    /** Stands where the hash belongs while the hash is computed. */
    static final String NO_HASH = "0".repeat(64);

    private static final String BEFORE_HASH =
            "{\"format\":\"%s\",\"version\":%d,\"sha256\":\"".formatted(FORMAT, VERSION);

    private ManifestWriter() {}

    /** Byte of the manifest at which its hash begins. */
    static int hashOffset() {
        return BEFORE_HASH.length();
    }

    /**
     * @param length bytes to fill, with spaces at the end; 0 for as many as it takes
     */
    static byte[] toBytes(Manifest manifest, int length) throws IOException {
        byte[] json = json(manifest);
        if (length == 0) {
            length = json.length;
        }
        if (json.length > length) {
            throw new IllegalStateException(
                    "a manifest of %d bytes in %d".formatted(json.length, length));
        }
        byte[] padded = new byte[length];
        java.util.Arrays.fill(padded, (byte) ' ');
        System.arraycopy(json, 0, padded, 0, json.length);
        padded[length - 1] = length > json.length ? (byte) '\n' : padded[length - 1];
        byte[] hash = Sha256.of(MemorySegment.ofArray(padded)).getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(hash, 0, padded, hashOffset(), hash.length);
        return padded;
    }

    private static byte[] json(Manifest manifest) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("format", FORMAT);
            json.writeNumberField("version", VERSION);
            json.writeStringField("sha256", NO_HASH);
            json.writeNumberField("block_bytes", ArchiveLayout.BLOCK_BYTES);
            json.writeStringField("head_crc", hex(manifest.headCrc()));
            json.writeStringField("tail_crc", hex(manifest.tailCrc()));
            json.writeObjectFieldStart("origins");
            for (var origin : new TreeMap<>(manifest.origins()).entrySet()) {
                json.writeObjectFieldStart(origin.getKey());
                for (Map.Entry<String, String> fact : new TreeMap<>(origin.getValue()).entrySet()) {
                    json.writeStringField(fact.getKey(), fact.getValue());
                }
                json.writeEndObject();
            }
            json.writeEndObject();
            json.writeArrayFieldStart("bases");
            for (Manifest.Base base : manifest.bases()) {
                json.writeStartObject();
                json.writeStringField("name", base.name());
                json.writeStringField("path", base.path());
                json.writeNumberField("bytes", base.bytes());
                json.writeStringField("sha256", base.sha256());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeArrayFieldStart("files");
            for (ArchiveFile file : manifest.files()) {
                file(file, json);
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static void file(ArchiveFile file, JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeStringField("path", file.path());
        json.writeNumberField("bytes", file.bytes());
        json.writeStringField("sha256", file.sha256());
        json.writeStringField("storage", file.storage().word());
        json.writeNumberField("at", file.at());
        json.writeStringField("gap_crc", hex(file.gapCrc()));
        json.writeArrayFieldStart("runs");
        for (Run run : file.runs()) {
            json.writeStartArray();
            json.writeNumber(run.bytes());
            json.writeString(run.type().word());
            if (run.source() != Run.NONE) {
                json.writeNumber(run.source());
                json.writeNumber(run.offset());
            }
            json.writeEndArray();
        }
        json.writeEndArray();
        json.writeStringField(
                "blocks", Base64.getEncoder().encodeToString(file.blocks().toBytes()));
        json.writeEndObject();
    }

    private static String hex(int crc) {
        return HexFormat.of().toHexDigits(crc);
    }
}
