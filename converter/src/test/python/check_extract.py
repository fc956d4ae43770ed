"""check_extract.py BASE (FINETUNE ADAPTER)...: peft loads ADAPTER onto BASE without a complaint and merges it to FINETUNE,
tensor by tensor: exactly where the adapter replaces, and within what its graft.json says where it has factors."""
import json
import sys
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import BertConfig, BertForSequenceClassification

base = sys.argv[1]
checked = 0
for tuned, adapter in zip(sys.argv[2::2], sys.argv[3::2]):
    target = {k: v.float() for k, v in load_file(f"{tuned}/model.safetensors").items()}
    records = {r["name"]: r for r in json.load(open(f"{adapter}/graft.json"))["tensors"]}
    labels = target["classifier.weight"].shape[0]
    config = BertConfig.from_pretrained(base, num_labels=labels)
    torch.manual_seed(1)
    model = BertForSequenceClassification.from_pretrained(base, config=config, dtype=torch.float32)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(model, adapter)
    said = [str(w.message) for w in caught if "missing" in str(w.message).lower() or "unexpected" in str(w.message).lower()]
    assert not said, said
    after = model.merge_and_unload().state_dict()
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
