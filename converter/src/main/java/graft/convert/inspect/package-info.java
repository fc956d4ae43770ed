/** What is in a file or folder, from headers alone: no tensor data is read. */
@NullMarked
package graft.convert.inspect;

import org.jspecify.annotations.NullMarked;
