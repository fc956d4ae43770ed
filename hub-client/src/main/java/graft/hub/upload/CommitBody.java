package graft.hub.upload;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;

import graft.hub.UploadRequest;

import okhttp3.MediaType;
import okhttp3.RequestBody;

import okio.BufferedSink;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;

/**
 * The lines of a commit, newline-delimited JSON: a header, then a line per file. Content of small
 * files is encoded while it is sent.
 */
final class CommitBody extends RequestBody {
    private static final MediaType NDJSON = MediaType.get("application/x-ndjson");
    private static final JsonFactory JSON = new JsonFactory();

    private final UploadRequest request;
    private final String parent;
    private final List<LocalFile> regular;
    private final Map<LocalFile, String> lfs;

    /**
     * @param lfs files whose content is stored already, with their SHA-256
     */
    CommitBody(
            UploadRequest request,
            String parent,
            List<LocalFile> regular,
            Map<LocalFile, String> lfs) {
        this.request = request;
        this.parent = parent;
        this.regular = regular;
        this.lfs = lfs;
    }

    @Override
    public MediaType contentType() {
        return NDJSON;
    }

    /** Never sent twice behind our back: a commit is not idempotent. */
    @Override
    public boolean isOneShot() {
        return true;
    }

    @Override
    public void writeTo(BufferedSink sink) throws IOException {
        line(sink, "header", this::header);
        for (LocalFile file : regular) {
            line(sink, "file", json -> content(json, file));
        }
        for (var entry : lfs.entrySet()) {
            line(sink, "lfsFile", json -> pointer(json, entry.getKey(), entry.getValue()));
        }
    }

    private interface Value {
        void write(JsonGenerator json) throws IOException;
    }

    private static void line(BufferedSink sink, String key, Value value) throws IOException {
        try (JsonGenerator json = JSON.createGenerator(sink.outputStream())) {
            json.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            json.writeStartObject();
            json.writeStringField("key", key);
            json.writeObjectFieldStart("value");
            value.write(json);
            json.writeEndObject();
            json.writeEndObject();
        }
        sink.writeByte('\n');
    }

    private void header(JsonGenerator json) throws IOException {
        json.writeStringField("summary", request.message());
        json.writeStringField("description", request.description());
        json.writeStringField("parentCommit", parent);
    }

    private static void content(JsonGenerator json, LocalFile file) throws IOException {
        json.writeStringField("path", file.path());
        json.writeStringField("encoding", "base64");
        json.writeFieldName("content");
        try (InputStream bytes = new BufferedInputStream(Files.newInputStream(file.source()))) {
            json.writeBinary(bytes, (int) file.bytes());
        }
    }

    private static void pointer(JsonGenerator json, LocalFile file, String sha256)
            throws IOException {
        json.writeStringField("path", file.path());
        json.writeStringField("algo", "sha256");
        json.writeStringField("oid", sha256);
        json.writeNumberField("size", file.bytes());
    }
}
