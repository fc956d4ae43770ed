/**
 * The Hub's references, protocol and cache. Knows nothing of tensors: it names repositories, moves
 * files and reads ranges of them.
 *
 * <p>Start at {@link graft.hub.HubClient}. {@code graft.hub.http} is the wire, {@code
 * graft.hub.cache} the disk.
 */
@NullMarked
package graft.hub;

import org.jspecify.annotations.NullMarked;
