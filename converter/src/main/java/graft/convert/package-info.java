/**
 * What the use cases below share: how a conversion fails ({@link
 * graft.convert.ConversionException}).
 */
@NullMarked
package graft.convert;

import org.jspecify.annotations.NullMarked;
