"""merged_exactly.py DIR MERGED [NAME...]: compares tensors of MERGED with task arithmetic 0.3 of DIR/base and DIR/task1..3 in
float64, rounded once to bfloat16, to nearest even. All tensors if none is named."""
import sys

import numpy as np
import torch
from safetensors import safe_open

folder, merged = sys.argv[1:3]
files = [safe_open(f"{folder}/{m}/model.safetensors", "pt") for m in ("base", "task1", "task2", "task3")]
with safe_open(merged, "pt") as result:
    wrong = total = 0
    for name in sys.argv[3:] or result.keys():
        base, *tasks = (f.get_tensor(name).double().numpy() for f in files)
        exact = base + 0.3 * sum(t - base for t in tasks)
        got = result.get_tensor(name).double().numpy()
        # float64 to bfloat16 by hand: torch goes by way of float32 and rounds twice
        step = 2.0 ** (np.maximum(np.frexp(exact)[1], -125) - 8)
        nearest = np.rint(exact / step) * step
        wrong += int((nearest != got).sum())
        total += got.size
print(f"{wrong} of {total} elements differ from the correctly rounded ones")
sys.exit(wrong > 0)
