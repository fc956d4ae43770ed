"""convert_peers.py TOOL DIR OUT: what rivals of `graft convert --density 0.05` do with DIR/base and DIR/task1, task2, task3
(family_1b.py), as one process. TOOL is
  deltatensors  a delta per task against the base: its 5 % largest changes, tensor by tensor (int64 positions, float32 values)
  partition     PERU-FFT in numpy: theta* = task arithmetic 0.3, and of every task's residual the 5 % largest over all tensors
                by numpy.partition; int32 positions and the task's own bfloat16 values, uncompressed npz"""
import os
import sys

import ml_dtypes
import numpy as np
from safetensors import safe_open

tool, folder, out = sys.argv[1:4]
DENSITY, WEIGHT = 0.05, 0.3
os.makedirs(out)


def deltatensors():
    from deltatensors import save_delta_from_paths

    for task in (1, 2, 3):
        save_delta_from_paths(f"{out}/task{task}.wdelta", f"{folder}/task{task}", f"{folder}/base", strategy="sparse",
                              sparsity=1 - DENSITY, use_gpu=False)


def partition():
    import torch  # reads bfloat16 for numpy
    from safetensors.torch import save_file

    files = {m: safe_open(f"{folder}/{m}/model.safetensors", "pt") for m in ("base", "task1", "task2", "task3")}

    def read(model, name):
        return files[model].get_tensor(name).view(torch.int16).numpy().view(ml_dtypes.bfloat16)

    merged = {}
    for name in files["base"].keys():
        base = read("base", name).astype(np.float32)
        total = sum(read(f"task{t}", name).astype(np.float32) - base for t in (1, 2, 3))
        merged[name] = (base + np.float32(WEIGHT) * total).astype(ml_dtypes.bfloat16)
    save_file({n: torch.from_numpy(a.view(np.int16)).view(torch.bfloat16) for n, a in merged.items()},
              f"{out}/merged.safetensors")
    for t in (1, 2, 3):
        magnitudes = np.concatenate([np.abs(read(f"task{t}", n).astype(np.float32) - merged[n].astype(np.float32)).ravel()
                                     for n in merged])
        keep = int(DENSITY * magnitudes.size + 0.5)
        magnitudes.partition(magnitudes.size - keep)
        threshold = magnitudes[magnitudes.size - keep]
        del magnitudes
        kept = {}
        for n in merged:
            own = read(f"task{t}", n).ravel()
            residual = np.abs(own.astype(np.float32) - merged[n].astype(np.float32).ravel())
            at = np.flatnonzero(residual >= threshold).astype(np.int32)  # ties: a few more than asked for
            kept[n + ".at"], kept[n + ".value"] = at, own[at].view(np.int16)
        np.savez(f"{out}/task{t}.npz", **kept)


{"deltatensors": deltatensors, "partition": partition}[tool]()
