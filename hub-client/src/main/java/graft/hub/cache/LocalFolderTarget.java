package graft.hub.cache;

import graft.hub.HubFile;
import graft.hub.Snapshot;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A plain folder, with huggingface_hub's notes on what is in it: {@code
 * .cache/huggingface/download/{path}.metadata}, three lines of commit, ETag and Unix time.
 */
public final class LocalFolderTarget implements Target {
    private final Path root;
    private final SnapshotTarget cached;
    private final String commit;

    /**
     * @param cached what the cache has is copied from there
     */
    public LocalFolderTarget(Path root, Snapshot snapshot, SnapshotTarget cached) {
        this.root = root.toAbsolutePath().normalize();
        this.cached = cached;
        this.commit = snapshot.commit();
    }

    @Override
    public Path folder() {
        return root;
    }

    @Override
    public Path path(HubFile file) {
        return RepoFolder.inside(root, file.path());
    }

    /** As the notes say, if the file was not changed since; else as its hash says. */
    @Override
    public boolean isPlaced(HubFile file) throws IOException {
        Path path = path(file);
        if (!SnapshotTarget.hasSize(path, file) || file.etag().isEmpty()) {
            return false;
        }
        String etag = file.etag().get();
        Optional<Note> note = note(file);
        double modified = Files.getLastModifiedTime(path).toMillis() / 1000.0;
        if (note.isPresent() && modified - 1 <= note.get().time()) {
            return note.get().etag().equals(etag);
        }
        return BlobHash.of(path, etag).equals(etag);
    }

    @Override
    public boolean isOnDisk(HubFile file) throws IOException {
        return cached.isPlaced(file) || cached.isOnDisk(file);
    }

    @Override
    public boolean placeFromDisk(HubFile file) throws IOException {
        if (!cached.isPlaced(file) && !cached.placeFromDisk(file)) {
            return false;
        }
        Publish.copy(cached.path(file), path(file));
        write(file);
        return true;
    }

    @Override
    public Path partialFolder(HubFile file) {
        return java.util.Objects.requireNonNull(metadata(file).getParent());
    }

    @Override
    public String partialName(HubFile file) {
        String key = file.etag().orElse(commit) + "/" + file.path();
        return BlobHash.ofText(key).substring(0, 40);
    }

    @Override
    public Path lock(HubFile file) {
        return notes(file, ".lock");
    }

    @Override
    public void place(HubFile file, Path finished, String hash) throws IOException {
        Files.createDirectories(path(file).getParent());
        Publish.rename(finished, path(file));
        write(file);
    }

    private record Note(String etag, double time) {}

    private Path home() {
        return root.resolve(".cache").resolve("huggingface");
    }

    private Path notes(HubFile file, String ending) {
        Path notes = RepoFolder.inside(home().resolve("download"), file.path());
        return notes.resolveSibling(notes.getFileName() + ending);
    }

    private Optional<Note> note(HubFile file) throws IOException {
        Path metadata = metadata(file);
        if (!Files.isRegularFile(metadata) || Files.size(metadata) > 1024) {
            return Optional.empty();
        }
        List<String> lines = Files.readAllLines(metadata);
        if (lines.size() < 3 || !lines.get(2).matches("\\d{1,12}(\\.\\d{1,9})?")) {
            return Optional.empty();
        }
        return Optional.of(new Note(lines.get(1).strip(), Double.parseDouble(lines.get(2))));
    }

    private Path metadata(HubFile file) {
        return notes(file, ".metadata");
    }

    private void write(HubFile file) throws IOException {
        Path ignore = home().resolve(".gitignore");
        if (!Files.exists(ignore)) {
            Publish.text(ignore, "*");
        }
        if (file.etag().isPresent()) {
            double now = System.currentTimeMillis() / 1000.0;
            Publish.text(
                    metadata(file),
                    String.format(Locale.ROOT, "%s\n%s\n%.3f\n", commit, file.etag().get(), now));
        }
    }
}
