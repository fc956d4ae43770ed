/**
 * Which entries of a residual are the largest: exact selection by counting in streaming passes, and
 * what every threshold would cost and keep. State per tensor is O(1); counts are whole numbers, so
 * that they add up to the same sums in any order.
 */
@NullMarked
package graft.convert.select;

import org.jspecify.annotations.NullMarked;
