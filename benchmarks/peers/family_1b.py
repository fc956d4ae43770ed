"""family_1b.py DIR [LAYERS]: DIR/base and DIR/task1, task2, task3, 1.1 billion parameters each in the shapes of TinyLlama
(22 layers unless LAYERS says otherwise), bfloat16, 2.2 GB. Fine-tuning moved every matrix densely, embeddings and head too: a
part that the tasks share, a part of their own with heavier tails, together about 3 % of the weights' size; norms a little."""
import json
import os
import sys

import torch
from safetensors.torch import save_file

HIDDEN, FFN, KV, VOCAB = 2048, 5632, 256, 32000
LINEAR = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KV, HIDDEN), "self_attn.v_proj": (KV, HIDDEN),
          "self_attn.o_proj": (HIDDEN, HIDDEN), "mlp.gate_proj": (FFN, HIDDEN), "mlp.up_proj": (FFN, HIDDEN),
          "mlp.down_proj": (HIDDEN, FFN)}
folder, layers = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 22
shapes = {name: (VOCAB, HIDDEN) for name in ("model.embed_tokens.weight", "lm_head.weight")}
shapes["model.norm.weight"] = (HIDDEN,)
for layer in range(layers):
    for norm in ("input_layernorm", "post_attention_layernorm"):
        shapes[f"model.layers.{layer}.{norm}.weight"] = (HIDDEN,)
    for module, shape in LINEAR.items():
        shapes[f"model.layers.{layer}.{module}.weight"] = shape
config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN,
          "num_hidden_layers": layers, "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": VOCAB,
          "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "max_position_embeddings": 2048}


def save(name, tensors):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    save_file(tensors, f"{folder}/{name}/model.safetensors", {"format": "pt"})
    json.dump(config, open(f"{folder}/{name}/config.json", "w"))


def noise(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


base = {name: (1 + 0.1 * noise(shape, i) if len(shape) == 1 else 0.02 * noise(shape, i)).bfloat16()
        for i, (name, shape) in enumerate(shapes.items())}
save("base", base)
for task in (1, 2, 3):
    tuned = {}
    for i, (name, shape) in enumerate(shapes.items()):
        own = noise(shape, 1000 * task + i)
        change = 3e-4 * noise(shape, 10000 + i) + 4e-4 * own * (0.5 + 0.5 * own.abs())
        tuned[name] = (base[name].float() + change).bfloat16()
    save(f"task{task}", tuned)
