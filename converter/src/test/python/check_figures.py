"""check_figures.py SPEC DELTA_FOLDER BASE MODEL: the relative errors in the ledger are those of the documented reader."""
import json
import os
import re
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file

spec, folder, base_file, model_file = sys.argv[1:]
with tempfile.TemporaryDirectory() as scratch:
    blocks = re.findall(r"```python\n(.*?)```", open(spec).read(), re.S)
    for name, text in zip(("read_delta", "read_coded"), blocks):
        open(os.path.join(scratch, name + ".py"), "w").write(text)
    sys.path.insert(0, scratch)
    from read_delta import apply_delta
    applied = apply_delta(f"{folder}/delta.safetensors", base_file)
base, model = load_file(base_file), load_file(model_file)
checked = 0
for record in json.load(open(f"{folder}/graft.json"))["tensors"]:
    if record["treatment"] == "sparse":
        name = record["name"]
        u = model[name].astype(np.float64) - base[name].astype(np.float64)
        lost = model[name].astype(np.float64) - applied[name].astype(np.float64)
        error = np.linalg.norm(lost) / np.linalg.norm(u) if np.linalg.norm(u) else 0
        assert abs(error - record["relativeError"]) <= 1e-9 * max(error, 1), (name, error, record["relativeError"])
        checked += 1
assert checked > 50, checked
