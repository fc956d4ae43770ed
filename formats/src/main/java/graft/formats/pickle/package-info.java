/**
 * What {@code torch.save} writes, read without running anything: {@code .bin}, {@code .pt} and
 * {@code .pth}, as ZIP archives (torch 1.6 and later) and as the older stream of pickles.
 *
 * <p><b>Contract.</b> The opcodes and globals of {@code torch.load(weights_only=True)}, nothing
 * more; each other one is an error that names it. A global is a word that one of our own records is
 * built for: no class is loaded, no method looked up. Storages are mapped; contiguous tensors are
 * views of the file, others are gathered when asked for.
 *
 * <p><b>Stricter than torch:</b> compressed, encrypted, doubled, overlapping and unsafely named
 * archive entries, archives whose local headers contradict the directory, data after the pickle,
 * sparse, quantised, meta and complex128 tensors, and views that would unfold to much more than the
 * file are refused. The checksum of the pickle is checked, those of the storages are not: that
 * would read the whole file to open it.
 *
 * <p>Sources: torch 2.15 {@code torch/_weights_only_unpickler.py}, {@code torch/serialization.py};
 * PKWARE {@code APPNOTE.TXT} 6.3.10.
 */
@NullMarked
package graft.formats.pickle;

import org.jspecify.annotations.NullMarked;
