/**
 * Moves a folder to the Hub as one commit: which files differ, LFS content first, then the commit.
 */
@NullMarked
package graft.hub.upload;

import org.jspecify.annotations.NullMarked;
