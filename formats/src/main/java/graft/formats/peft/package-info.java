/**
 * PEFT LoRA adapters: {@code adapter_config.json} and {@code adapter_model.safetensors}.
 *
 * <p><b>Rules</b> (peft 0.21). Tensors are called {@code base_model.model.MODULE.lora_A.weight}
 * (r×in, or r×in×kernel) and {@code ….lora_B.weight} (out×r). {@code ΔW = s·B·A} with {@code s =
 * α/r}, or {@code α/√r} under {@code use_rslora}. {@code rank_pattern} and {@code alpha_pattern}
 * override r and α: the first key, in file order, that matches {@code (.*\.)?(KEY)$} from the start
 * of the module path. Whole tensors of {@code modules_to_save} lie beside the factors under their
 * plain names.
 *
 * <p>Tensors are authoritative; what selects modules in the configuration is not needed to read
 * them. What would change ΔW and is not understood is refused by name: peft itself loads some of it
 * without a word, and computes something else.
 */
@NullMarked
package graft.formats.peft;

import org.jspecify.annotations.NullMarked;
