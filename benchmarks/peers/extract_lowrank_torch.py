"""extract_lowrank_torch.py BASE TUNED OUT RANK: what a careful user would write with torch.svd_lowrank (its defaults: as many
directions as ranks, two power iterations), tensor by tensor, unchanged ones left out. The yardstick for `graft extract`."""
import json
import os
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

base, tuned, out, rank = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
torch.manual_seed(0)
result = {}
with safe_open(f"{base}/model.safetensors", "pt") as before, safe_open(f"{tuned}/model.safetensors", "pt") as after:
    for name in after.keys():
        if not name.endswith("_proj.weight"):
            continue
        old, new = before.get_tensor(name), after.get_tensor(name)
        if torch.equal(old, new):
            continue
        u, s, v = torch.svd_lowrank(new.float() - old.float(), q=rank, niter=2)
        root = s.sqrt()
        module = "base_model.model." + name.removesuffix(".weight")
        result[f"{module}.lora_B.weight"] = (u * root).to(new.dtype)
        result[f"{module}.lora_A.weight"] = (root[:, None] * v.T).to(new.dtype).contiguous()
os.makedirs(out, exist_ok=True)
save_file(result, f"{out}/adapter_model.safetensors", {"format": "pt"})
json.dump({"peft_type": "LORA", "r": rank, "lora_alpha": rank}, open(f"{out}/adapter_config.json", "w"))
