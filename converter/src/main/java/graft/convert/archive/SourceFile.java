package graft.convert.archive;

import java.lang.foreign.MemorySegment;

/**
 * A file to pack, mapped.
 *
 * @param path in the archive
 * @param bytes its contents
 */
record SourceFile(String path, MemorySegment bytes) {}
