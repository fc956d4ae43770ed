/**
 * The safetensors format, version of the reference crate 0.8: read strictly, written byte for byte
 * like the crate.
 *
 * <p><b>Layout.</b> A u64 {@code N}; {@code N} bytes of UTF-8 JSON; tensor data, whose offsets in
 * the JSON count from byte {@code 8 + N}. All little-endian, tensors row-major. Tensors cover the
 * data without hole or overlap. {@code __metadata__} maps strings to strings.
 *
 * <p><b>Stricter than the crate:</b> duplicate names, duplicate keys and tensors given as JSON
 * arrays are refused, since two readers may understand them differently. Unknown fields of a tensor
 * are accepted with a warning. A name may have a million characters, a value of the metadata
 * sixteen million, a file a million tensors. Each rule is a {@link
 * graft.formats.safetensors.SafetensorsRule}.
 */
@NullMarked
package graft.formats.safetensors;

import org.jspecify.annotations.NullMarked;
