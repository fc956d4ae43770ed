package graft.convert.cli;

import graft.hub.RepoRef;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;

/** What the user typed for a REF: a path here, or a repository on the Hub. */
final class Refs {
    private Refs() {}

    /** A local path that exists. */
    static Path local(String ref) throws NoSuchFileException {
        Optional<Path> path = existing(ref);
        if (path.isPresent()) {
            return path.get();
        }
        throw new NoSuchFileException(ref, null, "no such file or folder");
    }

    /**
     * The repository that {@code ref} names; empty if a local path of that name exists, which wins.
     *
     * @throws NoSuchFileException if it is neither
     */
    static Optional<RepoRef> remote(String ref) throws NoSuchFileException {
        if (existing(ref).isPresent()) {
            return Optional.empty();
        }
        Optional<String> other = RepoRef.otherKind(ref);
        if (other.isPresent()) {
            throw new UsageException(
                    "'%s' is no model: Graft does not read %s".formatted(ref, other.get()),
                    "name a model repository: org/name");
        }
        Optional<RepoRef> repo = RepoRef.parse(ref);
        if (repo.isEmpty()) {
            throw new NoSuchFileException(ref, null, "no such file or folder");
        }
        return repo;
    }

    /** What to call something made from {@code ref}: the last word of the path or repository. */
    static String title(String ref) throws NoSuchFileException {
        Optional<RepoRef> repo = remote(ref);
        if (repo.isPresent()) {
            String path = repo.get().folder();
            return path.isEmpty() ? repo.get().name() : path.substring(path.lastIndexOf('/') + 1);
        }
        return String.valueOf(local(ref).toAbsolutePath().normalize().getFileName());
    }

    private static Optional<Path> existing(String ref) throws NoSuchFileException {
        if (ref.startsWith("hf://")) {
            return Optional.empty();
        }
        try {
            return Optional.of(Path.of(ref)).filter(Files::exists);
        } catch (InvalidPathException e) {
            throw new NoSuchFileException(ref, null, "not a path: " + e.getReason());
        }
    }
}
