/**
 * Archives of models: an ordinary tar whose members hold files as they are, as zstd frames, or with
 * their floating-point tensors coded losslessly. Specified in {@code docs/archive-format.md}.
 *
 * <p>A file is cut into runs of one element type and runs into blocks of a mebibyte; every block is
 * coded by itself, so blocks can be coded and restored in any order, on any thread. Nothing here
 * knows where element types come from: the manifest names them, reading needs no other format.
 */
@NullMarked
package graft.formats.archive;

import org.jspecify.annotations.NullMarked;
