package graft.convert.cli;

import graft.hub.RepoRef;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Turns what the user typed for a REF into a path. */
final class Refs {
    private Refs() {}

    /**
     * A local path that exists wins; a Hub reference is understood and refused, since this version
     * does not download.
     */
    static Path local(String ref) throws NoSuchFileException {
        try {
            Path path = Path.of(ref);
            if (Files.exists(path)) {
                return path;
            }
        } catch (InvalidPathException e) {
            throw new NoSuchFileException(ref, null, "not a path: " + e.getReason());
        }
        boolean onHub = RepoRef.parse(ref).isPresent();
        throw new NoSuchFileException(
                ref,
                null,
                onHub
                        ? "no such folder here; this version does not download from the Hub, so"
                                + " download the repository first and give its folder"
                        : "no such file or folder");
    }
}
