/**
 * Models that are at the Hub: which of a repository's files a reference means, and headers without
 * the data behind them. The one place where {@code graft.hub} and {@code graft.formats} meet.
 */
@NullMarked
package graft.convert.remote;

import org.jspecify.annotations.NullMarked;
