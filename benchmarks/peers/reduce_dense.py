"""reduce_dense.py ADAPTER RANK: what the popular tools do to one 4096x4096 module, in seconds, and what that makes of all
224: PEFT's save_as_lora takes a thin dense SVD of B @ A, kohya's resize_lora.py a full one (U 4096x4096). Work of the others
is scaled by out * in * min(out, in)."""
import sys
import time

import torch
from safetensors import safe_open

FACTOR = 4 * 1 + 3 * 11008 / 4096  # a layer's work in units of a 4096x4096 module's
rank = int(sys.argv[2])
with safe_open(f"{sys.argv[1]}/adapter_model.safetensors", "pt") as file:
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    a, b = (file.get_tensor(f"{module}.lora_{x}.weight").float() for x in "AB")
for tool, full in (("PEFT save_as_lora (thin SVD)", False), ("kohya resize_lora (full SVD)", True)):
    start = time.perf_counter()
    u, s, vt = torch.linalg.svd(b @ a, full_matrices=full)
    b2, a2 = u[:, :rank] * s[:rank], vt[:rank]
    one = time.perf_counter() - start
    print(f"{tool}: {one:.1f} s for one module, {one * FACTOR * 32:.0f} s for all 224 (scaled)")
