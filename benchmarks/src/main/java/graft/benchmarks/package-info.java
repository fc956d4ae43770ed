/** JMH measurements. How to run them and what they gave: {@code docs/benchmarks.md}. */
@NullMarked
package graft.benchmarks;

import org.jspecify.annotations.NullMarked;
