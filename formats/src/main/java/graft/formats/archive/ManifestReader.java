package graft.formats.archive;

import graft.formats.FileSpot;
import graft.formats.MalformedFileException;
import graft.formats.UnsupportedFeatureException;
import graft.formats.io.Sha256;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads a manifest and checks that everything in it agrees, so that its users need not. */
final class ManifestReader {
    /** A manifest takes some 20 bytes per block; this is enough for 10 TB. */
    static final int MAX_BYTES = 1 << 28;

    private final JsonValues json;

    private ManifestReader(FileSpot spot) {
        this.json = new JsonValues(spot);
    }

    /** Whether a manifest's own hash is right. */
    static boolean isIntact(byte[] bytes) {
        int at = ManifestWriter.hashOffset();
        int end = at + ManifestWriter.NO_HASH.length();
        if (bytes.length < end) {
            return false;
        }
        byte[] without = bytes.clone();
        Arrays.fill(without, at, end, (byte) '0');
        byte[] hash = Sha256.of(MemorySegment.ofArray(without)).getBytes(StandardCharsets.US_ASCII);
        return Arrays.equals(bytes, at, end, hash, 0, hash.length);
    }

    static Manifest read(FileSpot spot, byte[] bytes) throws IOException {
        return new ManifestReader(spot).manifest(bytes, spot);
    }

    private Manifest manifest(byte[] bytes, FileSpot spot) throws IOException {
        Map<?, ?> document = json.document(bytes);
        if (!json.text(document, "format").equals(ManifestWriter.FORMAT)) {
            throw json.problem("is no archive of Graft");
        }
        long version = json.number(document, "version");
        long blockBytes = json.number(document, "block_bytes");
        if (version != ManifestWriter.VERSION || blockBytes != ArchiveLayout.BLOCK_BYTES) {
            throw new UnsupportedFeatureException(
                    spot,
                    "archive format version %d with blocks of %d bytes"
                            .formatted(version, blockBytes),
                    "use the version of Graft that wrote it");
        }
        List<Manifest.Base> bases = new ArrayList<>();
        for (Object each : json.list(document, "bases")) {
            Map<?, ?> base = json.map(each, "a base");
            bases.add(
                    new Manifest.Base(
                            json.text(base, "name"),
                            path(base),
                            json.number(base, "bytes"),
                            hash(base)));
        }
        List<ArchiveFile> files = new ArrayList<>();
        for (Object each : json.list(document, "files")) {
            files.add(file(json.map(each, "a file"), bases, files));
        }
        var conflict = ArchivePath.conflict(files.stream().map(ArchiveFile::path).toList());
        if (conflict.isPresent()) {
            throw json.problem(conflict.get());
        }
        return new Manifest(
                crc(document, "head_crc"),
                crc(document, "tail_crc"),
                origins(document),
                bases,
                files);
    }

    private Map<String, Map<String, String>> origins(Map<?, ?> document) throws IOException {
        Map<String, Map<String, String>> origins = new LinkedHashMap<>();
        Object value = document.get("origins");
        for (var origin : json.map(value == null ? "" : value, "origins").entrySet()) {
            Map<String, String> facts = new LinkedHashMap<>();
            for (var fact : json.map(origin.getValue(), "an origin").entrySet()) {
                facts.put(fact.getKey().toString(), fact.getValue().toString());
            }
            origins.put(origin.getKey().toString(), facts);
        }
        return origins;
    }

    private ArchiveFile file(Map<?, ?> from, List<Manifest.Base> bases, List<ArchiveFile> before)
            throws IOException {
        String path = path(from);
        long bytes = json.number(from, "bytes");
        List<Run> runs = new ArrayList<>();
        long sum = 0;
        for (Object each : json.list(from, "runs")) {
            Run run = run(path, each, sum, bases, before);
            runs.add(run);
            sum += run.bytes();
            if (run.bytes() == 0 || sum < 0 || sum > bytes) {
                throw json.problem("runs of %s do not add up".formatted(FileSpot.quote(path)));
            }
        }
        BlockTable blocks = blocks(path, json.text(from, "blocks"));
        if (sum != bytes
                || bytes > (long) blocks.size() * ArchiveLayout.BLOCK_BYTES
                || ArchiveFile.blocks(runs) != blocks.size()) {
            throw json.problem(
                    "%s has %d bytes, %d in runs, in %d blocks"
                            .formatted(FileSpot.quote(path), bytes, sum, blocks.size()));
        }
        long at = json.number(from, "at");
        long least = before.isEmpty() ? 0 : before.getLast().at() + before.getLast().stored();
        var file =
                new ArchiveFile(
                        path,
                        bytes,
                        hash(from),
                        ArchiveFile.Storage.of(json.text(from, "storage"))
                                .orElseThrow(() -> json.problem("an unknown storage")),
                        at,
                        crc(from, "gap_crc"),
                        runs,
                        blocks);
        if (at < least || at % TarHeaders.RECORD != 0 || at + file.stored() < 0) {
            throw json.problem("%s lies at byte %d".formatted(FileSpot.quote(path), at));
        }
        return file;
    }

    /**
     * @param start of the run in its file
     */
    private Run run(
            String path,
            Object from,
            long start,
            List<Manifest.Base> bases,
            List<ArchiveFile> before)
            throws IOException {
        if (!(from instanceof List<?> list) || (list.size() != 2 && list.size() != 4)) {
            throw json.problem("a run of %s is no list".formatted(FileSpot.quote(path)));
        }
        long bytes = json.number(list.get(0), "a run's length");
        ElementType type =
                ElementType.of(list.get(1).toString())
                        .orElseThrow(() -> json.problem("an unknown type of elements"));
        if (bytes % type.bytes() != 0) {
            throw json.problem("a run of %d bytes of %s".formatted(bytes, type.word()));
        }
        if (list.size() == 2) {
            return Run.of(bytes, type);
        }
        long source = json.number(list.get(2), "a source");
        long offset = json.number(list.get(3), "an offset");
        int own = bases.size() + before.size();
        if (source > own || source == own && (bytes > start || offset > start - bytes)) {
            throw json.problem("a run of %s refers ahead".formatted(FileSpot.quote(path)));
        }
        long size =
                source == own
                        ? start
                        : source < bases.size()
                                ? bases.get((int) source).bytes()
                                : before.get((int) source - bases.size()).bytes();
        if (bytes > size || offset > size - bytes) {
            throw json.problem(
                    "a run of %s refers beyond the end of its source"
                            .formatted(FileSpot.quote(path)));
        }
        return new Run(bytes, type, (int) source, offset);
    }

    private BlockTable blocks(String path, String base64) throws MalformedFileException {
        byte[] entries;
        try {
            entries = Base64.getDecoder().decode(base64);
        } catch (IllegalArgumentException e) {
            throw json.problem("blocks of %s are no base64".formatted(FileSpot.quote(path)));
        }
        if (!BlockTable.isWhole(entries)) {
            throw json.problem("blocks of %s are cut short".formatted(FileSpot.quote(path)));
        }
        var table = new BlockTable(entries);
        for (int block = 0; block < table.size(); block++) {
            if (BlockCodec.of(table.number(block)).isEmpty()
                    || table.stored(block) < 0
                    || table.stored(block) > ArchiveLayout.MAX_STORED_BYTES) {
                throw json.problem(
                        "block %d of %s has codec %d and %d bytes"
                                .formatted(
                                        block,
                                        FileSpot.quote(path),
                                        table.number(block),
                                        table.stored(block)));
            }
        }
        return table;
    }

    private String path(Map<?, ?> from) throws MalformedFileException {
        String path = json.text(from, "path");
        var problem = ArchivePath.problem(path);
        if (problem.isPresent()) {
            throw json.problem("path %s %s".formatted(FileSpot.quote(path), problem.get()));
        }
        return path;
    }

    private String hash(Map<?, ?> from) throws MalformedFileException {
        String hash = json.text(from, "sha256");
        if (!hash.matches("[0-9a-f]{64}")) {
            throw json.problem("%s is no SHA-256".formatted(FileSpot.quote(hash)));
        }
        return hash;
    }

    private int crc(Map<?, ?> from, String name) throws MalformedFileException {
        String hex = json.text(from, name);
        if (!hex.matches("[0-9a-f]{8}")) {
            throw json.problem("%s is %s".formatted(name, FileSpot.quote(hex)));
        }
        return HexFormat.fromHexDigits(hex);
    }
}
