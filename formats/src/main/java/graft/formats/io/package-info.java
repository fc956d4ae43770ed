/** Files as formats need them: appearing whole or not at all, read as streams, hashed. */
@NullMarked
package graft.formats.io;

import org.jspecify.annotations.NullMarked;
