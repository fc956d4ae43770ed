/** Re-checks of what Graft wrote: hashes against the ledger, structure by reading everything. */
@NullMarked
package graft.convert.verify;

import org.jspecify.annotations.NullMarked;
