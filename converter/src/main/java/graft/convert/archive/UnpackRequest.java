package graft.convert.archive;

import graft.convert.plan.Progress;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What to unpack.
 *
 * @param archive file that {@link PackFiles} wrote
 * @param source what the user called it
 * @param base model that the archive relies on, where it does
 * @param members globs of paths or file names; none for all
 * @param output folder to create
 * @param force whether it may be replaced
 * @param salvage whether damaged files are left out rather than ending the run
 * @param threads workers, 0 for all cores
 */
public record UnpackRequest(
        Path archive,
        String source,
        Optional<Path> base,
        List<String> members,
        Path output,
        boolean force,
        boolean salvage,
        int threads,
        Progress progress) {
    public UnpackRequest {
        members = List.copyOf(members);
    }
}
