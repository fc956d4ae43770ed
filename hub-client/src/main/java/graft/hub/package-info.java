/** Names of things on the Hub. Knows nothing of tensors. */
@NullMarked
package graft.hub;

import org.jspecify.annotations.NullMarked;
