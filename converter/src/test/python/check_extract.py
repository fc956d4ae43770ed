"""check_extract.py BASE (FINETUNE ADAPTER)...: peft loads ADAPTER onto BASE without a complaint and merges it to FINETUNE,
tensor by tensor: exactly where the adapter replaces, and within what its graft.json says where it has factors."""
import json
import pathlib
import runpy
import sys

import torch
from safetensors.torch import load_file

merged = runpy.run_path(f"{pathlib.Path(__file__).parent}/peft_on_bert.py")["merged"]
base = sys.argv[1]
checked = 0
for tuned, adapter in zip(sys.argv[2::2], sys.argv[3::2]):
    target = {k: v.float() for k, v in load_file(f"{tuned}/model.safetensors").items()}
    records = {r["name"]: r for r in json.load(open(f"{adapter}/graft.json"))["tensors"]}
    labels = target["classifier.weight"].shape[0]
    before, after = merged(base, adapter, labels)
    for name, wanted in target.items():
        record = records[name]
        if record["treatment"] in ("whole", "unchanged"):
            assert torch.equal(after[name], wanted), (adapter, name)
        else:
            assert record["treatment"] == "extracted", record
            change = (wanted - before[name]).double()
            error = ((wanted - after[name]).double().norm() / change.norm()).item()
            # merging in float32 rounds once more, relative to the weight
            slack = 1e-5 + 2 ** -23 * (wanted.double().norm() / change.norm()).item()
            assert abs(error - record["relativeError"]) < slack, (adapter, name, error, record["relativeError"])
        checked += 1
print(f"{checked} tensors agree")
assert checked > 0
