/** Running independent work items on a pool of cores, with results in plan order. */
@NullMarked
package graft.convert.plan;

import org.jspecify.annotations.NullMarked;
