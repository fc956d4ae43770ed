"""reduce_qr_torch.py ADAPTER OUT RANK: what a careful user would write: thin QR of both factors, SVD of the small core, new
factors, configuration rewritten. The yardstick for `graft reduce`, start-up included."""
import json
import os
import sys

import torch
from safetensors.torch import load_file, save_file

source, out, rank = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = json.load(open(f"{source}/adapter_config.json"))
scale = config["lora_alpha"] / config["r"]
tensors = load_file(f"{source}/adapter_model.safetensors")
result, lost, energy = {}, 0.0, 0.0
for name, a in tensors.items():
    if not name.endswith(".lora_A.weight"):
        continue
    b = tensors[name.replace("lora_A", "lora_B")]
    qb, rb = torch.linalg.qr(b.float())
    qa, ra = torch.linalg.qr(a.float().T)
    u, s, vt = torch.linalg.svd(scale * rb @ ra.T)
    root = s[:rank].sqrt()
    result[name.replace("lora_A", "lora_B")] = ((qb @ u[:, :rank]) * root).to(b.dtype)
    result[name] = (root[:, None] * (vt[:rank] @ qa.T)).to(a.dtype).contiguous()
    lost += float((s[rank:] ** 2).sum())
    energy += float((s ** 2).sum())
os.makedirs(out, exist_ok=True)
save_file(result, f"{out}/adapter_model.safetensors", {"format": "pt"})
config |= {"r": rank, "lora_alpha": rank, "rank_pattern": {}, "alpha_pattern": {}}
json.dump(config, open(f"{out}/adapter_config.json", "w"), indent=1)
print(f"truncation error {(lost / energy) ** 0.5:.6f}")
