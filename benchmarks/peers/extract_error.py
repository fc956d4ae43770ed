"""extract_error.py BASE TUNED ADAPTER...: over the changed linear layers of layer 1, the relative error of each adapter
against tuned - base in float64, and the best that any of its rank can have."""
import json
import sys

import torch
from safetensors import safe_open

base, tuned, adapters = sys.argv[1], sys.argv[2], sys.argv[3:]
total, best, errors = 0.0, 0.0, [0.0] * len(adapters)
with safe_open(f"{base}/model.safetensors", "pt") as before, safe_open(f"{tuned}/model.safetensors", "pt") as after:
    for name in (n for n in after.keys() if n.startswith("model.layers.1.") and n.endswith("_proj.weight")):
        delta = after.get_tensor(name).double() - before.get_tensor(name).double()
        total += float((delta ** 2).sum())
        gram = delta @ delta.T if delta.shape[0] <= delta.shape[1] else delta.T @ delta
        for i, folder in enumerate(adapters):
            config = json.load(open(f"{folder}/adapter_config.json"))
            with safe_open(f"{folder}/adapter_model.safetensors", "pt") as file:
                module = "base_model.model." + name.removesuffix(".weight")
                a, b = (file.get_tensor(f"{module}.lora_{x}.weight").double() for x in "AB")
            errors[i] += float(((delta - config["lora_alpha"] / config["r"] * b @ a) ** 2).sum())
            rank = a.shape[0]
        best += float(torch.linalg.eigvalsh(gram)[:-rank].sum())
print(f"best possible {(best / total) ** 0.5:.6f}")
for folder, error in zip(adapters, errors):
    print(f"{folder}: {(error / total) ** 0.5:.6f}, {(error / best) ** 0.5:.5f} of the best")
