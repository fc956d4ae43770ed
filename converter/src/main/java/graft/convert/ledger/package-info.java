/**
 * {@code graft.json}: what a conversion read, what it was asked, and per tensor what it kept and
 * lost.
 *
 * <p>The file is byte-reproducible except for its {@code run} object: keys in a fixed order, no
 * clock, no absolute path, numbers as Java prints them.
 */
@NullMarked
package graft.convert.ledger;

import org.jspecify.annotations.NullMarked;
