/**
 * Packs models into one file, restores and verifies them, byte for byte. Finds out what the bytes
 * of a file hold and which other bytes they resemble; how that is coded is {@link
 * graft.formats.archive}'s.
 */
@NullMarked
package graft.convert.archive;

import org.jspecify.annotations.NullMarked;
