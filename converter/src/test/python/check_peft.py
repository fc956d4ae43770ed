"""check_peft.py BASE (SOURCE REDUCED)...: peft loads every REDUCED adapter onto BASE without a complaint, and the
weights it merges are BASE plus the best approximation of SOURCE's update at the rank that REDUCED has."""
import json
import pathlib
import runpy
import sys

import numpy as np
import torch
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file


def product(folder):
    """{module: scale * B @ A} in float64, from the files alone"""
    config = json.load(open(f"{folder}/adapter_config.json"))
    tensors = {k: v.double().numpy() for k, v in load_file(f"{folder}/adapter_model.safetensors").items()}
    out = {}
    for name, a in tensors.items():
        if name.endswith(".lora_A.weight"):
            module = name[len("base_model.model."):-len(".lora_A.weight")]
            b = tensors[name.replace("lora_A", "lora_B")]
            out[module] = (b @ a, a.shape[0], config)
    return out


merged = runpy.run_path(f"{pathlib.Path(__file__).parent}/peft_on_bert.py")["merged"]
base = sys.argv[1]
checked = 0
for source, reduced in zip(sys.argv[2::2], sys.argv[3::2]):
    tensors = load_file(f"{reduced}/adapter_model.safetensors")
    load_numpy if any(v.dtype == torch.bfloat16 for v in tensors.values()) else load_numpy(f"{reduced}/adapter_model.safetensors")
    labels = next(v.shape[0] for k, v in tensors.items() if k.endswith("classifier.weight"))
    before, after = merged(base, reduced, labels)
    alpha = json.load(open(f"{source}/adapter_config.json"))
    scale = alpha["lora_alpha"] / alpha["r"]
    ours = product(reduced)
    for module, (delta, _, _) in product(source).items():
        delta = scale * delta
        u, s, vt = np.linalg.svd(delta, full_matrices=False)
        q = ours[module][1]
        best = (u[:, :q] * s[:q]) @ vt[:q]
        name = module + ".weight"
        got = (after[name] - before[name]).double().numpy()
        norm = np.linalg.norm(delta)
        dtype = tensors[f"base_model.model.{module}.lora_A.weight"].dtype
        # factors are rounded once: each element of both by at most half a unit in the last place
        rounding = {torch.float32: 2 ** -22, torch.float16: 2 ** -10, torch.bfloat16: 2 ** -7}[dtype] * norm + 1e-6 * np.linalg.norm(before[name])
        assert np.linalg.norm(got - best) <= rounding, (reduced, module, np.linalg.norm(got - best), rounding)
        assert np.linalg.norm(got) > 0.1 * norm, (reduced, module)
        checked += 1
    head = after["classifier.weight"]
    assert torch.equal(head, tensors["base_model.model.classifier.weight"].float()), reduced
print(f"{checked} modules agree")
assert checked > 0
