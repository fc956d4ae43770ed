/** The command line: one class per verb, nothing else. */
@NullMarked
package graft.convert.cli;

import org.jspecify.annotations.NullMarked;
