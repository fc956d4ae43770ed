"""check_mergekit.py CONFIG MERGED: the merge that mergekit's own method makes of the config's models, which lie beside it."""
import os
import sys

import torch
import yaml
from mergekit.config import ConditionalParameter, evaluate_setting
from mergekit.merge_methods.generalized_task_arithmetic import get_mask
from mergekit.sparsify import SparsificationMethod, sparsify
from safetensors.torch import load_file

config, merged = yaml.safe_load(open(sys.argv[1])), load_file(sys.argv[2])
folder = os.path.dirname(sys.argv[1])
load = lambda name: load_file(f"{folder}/{name}.safetensors")
method, base = config["merge_method"], config.get("base_model")
entries = [(load(e["model"]), e.get("parameters", {})) for e in config["models"] if e["model"] != base]


def setting(own, key, tensor, default):
    for source in (own, config.get("parameters", {})):
        if key in source:
            value = source[key]
            if isinstance(value, list):
                value = [ConditionalParameter(**v) for v in value]
            found = evaluate_setting(tensor, value, validate=float)
            if found is not None:
                return found
    return default


for name, value in merged.items():
    weights = torch.tensor([setting(own, "weight", name, None) for _, own in entries])
    if method == "linear":
        want = sum(w * m[name] for w, (m, _) in zip(weights, entries)) / weights.sum()
    else:
        start = load(base)[name]
        kind = {"ties": SparsificationMethod.magnitude, "breadcrumbs": SparsificationMethod.magnitude_outliers}.get(method)
        deltas = []
        for model, own in entries:
            delta = model[name] - start
            if kind:
                extra = {"gamma": setting(own, "gamma", name, 0.01)} if method == "breadcrumbs" else {}
                delta = sparsify(delta, density=setting(own, "density", name, 1.0), method=kind, **extra)
            deltas.append(delta)
        w = weights.reshape([-1] + [1] * start.ndim)
        deltas = torch.stack(deltas) * w
        if method == "ties":
            mask = get_mask(deltas, method="sum", mask_dtype=torch.float32)
            mixed, divisor = (deltas * mask).sum(0), (w * mask).sum(0)
            divisor[divisor == 0] = 1
        else:
            mixed, divisor = deltas.sum(0), w.sum(0)
        if config.get("parameters", {}).get("normalize", method == "ties"):
            mixed = mixed / divisor
        want = start + mixed * setting({}, "lambda", name, 1.0)
    assert torch.allclose(value, want, rtol=0, atol=8 * 2 ** -22), (name, (value - want).abs().max())
