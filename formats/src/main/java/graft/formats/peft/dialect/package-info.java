/**
 * How the tools that train adapters name their tensors: one class per dialect, each a reader of
 * names alone.
 *
 * <p>A name gives a module, as the adapter calls it, and a role, the same for all dialects: what
 * {@code peft} calls {@code lora_A} is {@code lora.down} or {@code lora_down} elsewhere. A dialect
 * is recognised by its names; a file that mixes two, or has a name that none knows, is refused.
 *
 * <p>Sources: peft 0.21 {@code utils/save_and_load.py}, diffusers 0.42 {@code
 * utils/state_dict_utils.py}, sd-scripts {@code networks/lora.py}.
 */
@NullMarked
package graft.formats.peft.dialect;

import org.jspecify.annotations.NullMarked;
