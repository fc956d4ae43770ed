"""pair_1b.py DIR [LAYERS]: DIR/base and DIR/tuned, 1.1 billion parameters each in the shapes of TinyLlama (22 layers unless
LAYERS says otherwise), bfloat16, 2.2 GB. What tuning did: a decaying low-rank part and as much noise in every linear layer;
embeddings, norms, the head and all of layer 0 are as they were."""
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
torch.manual_seed(2)
base, tuned = {}, {}
for name in ("model.embed_tokens.weight", "lm_head.weight"):
    base[name] = tuned[name] = (torch.randn(VOCAB, HIDDEN) * 0.02).bfloat16()
base["model.norm.weight"] = tuned["model.norm.weight"] = torch.ones(HIDDEN).bfloat16()
decay = 0.85 ** torch.arange(64)
for layer in range(layers):
    for norm in ("input_layernorm", "post_attention_layernorm"):
        name = f"model.layers.{layer}.{norm}.weight"
        base[name] = tuned[name] = torch.ones(HIDDEN).bfloat16()
    for module, (out, width) in LINEAR.items():
        name = f"model.layers.{layer}.{module}.weight"
        weight = (torch.randn(out, width) * 0.02).bfloat16()
        base[name] = tuned[name] = weight
        if layer:
            change = torch.randn(out, width) * 1e-3
            low = (torch.randn(out, 64) * decay) @ torch.randn(64, width)
            tuned[name] = (weight.float() + change + low * (change.norm() / low.norm())).bfloat16()
config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN,
          "num_hidden_layers": layers, "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": VOCAB,
          "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "max_position_embeddings": 2048}
for name, tensors in (("base", base), ("tuned", tuned)):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    save_file({k: v.clone() if name == "tuned" else v for k, v in tensors.items()}, f"{folder}/{name}/model.safetensors", {"format": "pt"})
    json.dump(config, open(f"{folder}/{name}/config.json", "w"))
