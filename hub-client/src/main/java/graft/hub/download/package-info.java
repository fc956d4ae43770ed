/**
 * Moves files from the Hub to a place on disk: which, in what order, in which ranges, and whether
 * they are what was promised. The wire is {@code graft.hub.http}'s, the places are {@code
 * graft.hub.cache}'s.
 */
@NullMarked
package graft.hub.download;

import org.jspecify.annotations.NullMarked;
