/**
 * The cache on disk, in the layout that huggingface_hub, hf-hub and huggingface.js share (hub-docs
 * {@code local-cache.md}).
 *
 * <pre>
 * CACHEDIR.TAG
 * .locks/models--org--name/{etag}.lock
 * models--org--name/blobs/{etag}
 *                   refs/{revision}                 the commit, 40 digits
 *                   snapshots/{commit}/{path}       a link to the blob, or a plain file
 *                   .no_exist/{commit}/{path}       known not to exist
 *                   trees/{commit}.json             files of the commit
 * </pre>
 *
 * <p>Other programs may work in the same cache at the same time: everything appears by rename of a
 * temporary that only we know; a lock merely saves fetching twice. A blob may be a link into a
 * store that several repositories share: it is read through and never written through.
 */
@NullMarked
package graft.hub.cache;

import org.jspecify.annotations.NullMarked;
