/** Whole jobs: the only place where one use case's result feeds another. */
@NullMarked
package graft.convert.job;

import org.jspecify.annotations.NullMarked;
