/**
 * A model's weights as the Hub lays them out, whatever the format of the files: one file, or shards
 * with an index. Knows where files lie and what they are called; what is in them is known by {@link
 * graft.formats.safetensors} and {@link graft.formats.pickle}.
 */
@NullMarked
package graft.formats.checkpoint;

import org.jspecify.annotations.NullMarked;
