/**
 * What every format of this module shares: where in a file something is ({@link
 * graft.formats.FileSpot}) and what can be wrong with it ({@link graft.formats.FormatException}).
 *
 * <p>The packages below turn bytes into domain values and back. They know no network and do no
 * mathematics beyond changing the type of a number.
 */
@NullMarked
package graft.formats;

import org.jspecify.annotations.NullMarked;
