"""adapter_7b.py OUT: a LoRA adapter of the shapes of a 7B Llama, 32 layers x 7 modules, hidden 4096, ffn 11008, r = 64,
bfloat16, about 320 MB. Random factors of decaying columns, so that a cut to rank 16 loses what it does in practice."""
import json
import os
import sys

import torch
from safetensors.torch import save_file

HIDDEN, FFN, RANK, LAYERS = 4096, 11008, 64, 32
SHAPES = {f"self_attn.{n}_proj": (HIDDEN, HIDDEN) for n in "qkvo"} | {
    "mlp.gate_proj": (FFN, HIDDEN), "mlp.up_proj": (FFN, HIDDEN), "mlp.down_proj": (HIDDEN, FFN)}

torch.manual_seed(1)
decay = 0.93 ** torch.arange(RANK)
tensors = {}
for layer in range(LAYERS):
    for name, (out, width) in SHAPES.items():
        module = f"base_model.model.model.layers.{layer}.{name}"
        tensors[f"{module}.lora_A.weight"] = (torch.randn(RANK, width) / width ** 0.5).bfloat16()
        tensors[f"{module}.lora_B.weight"] = (torch.randn(out, RANK) * decay / out ** 0.5).bfloat16()
os.makedirs(sys.argv[1], exist_ok=True)
save_file(tensors, f"{sys.argv[1]}/adapter_model.safetensors", {"format": "pt"})
json.dump({"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": sorted({n.split(".")[1] for n in SHAPES})},
          open(f"{sys.argv[1]}/adapter_config.json", "w"), indent=1)
