package graft.convert.archive;

import graft.convert.plan.Progress;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What to pack.
 *
 * @param sources files and folders, in this order
 * @param base file or folder that unpacking may rely on
 * @param baseName what the user called it
 * @param output archive to create
 * @param force whether it may be replaced
 * @param threads workers, 0 for all cores
 * @param dryRun whether to stop before writing
 */
public record PackRequest(
        List<Path> sources,
        Optional<Path> base,
        String baseName,
        Path output,
        boolean force,
        int threads,
        boolean dryRun,
        Progress progress) {
    public PackRequest {
        sources = List.copyOf(sources);
    }
}
