package graft.convert.archive;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * A file to pack.
 *
 * @param path in the archive
 * @param bytes its contents, mapped as a whole to look into; {@link FileWindows} are for reading
 *     all of it
 */
record SourceFile(String path, Path file, MemorySegment bytes) {}
