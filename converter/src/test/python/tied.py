"""tied.py make FOLDER | check FOLDER APPLIED exact|near: checkpoints whose head is the embedding, and what came of them."""
import sys

import torch
from safetensors.torch import load_file

folder = sys.argv[2]
if sys.argv[1] == "make":
    torch.manual_seed(7)
    embed, norm, wide = torch.randn(200, 48), torch.ones(48), torch.randn(48, 48)
    for name, step in (("base", 0.0), ("tune", 0.05)):
        embed = embed + step * torch.randn(200, 48)
        model = {"lm_head.weight": embed, "model.embed_tokens.weight": embed, "model.norm.weight": norm + step,
                 "model.wide.weight": wide + step * torch.randn(48, 48)}
        if name == "tune":
            pooler = torch.randn(20, 30)
            model |= {"aux.a": pooler, "aux.b": pooler}
        torch.save(model, f"{folder}/{name}.bin")
else:
    base, tune, applied = torch.load(f"{folder}/base.bin"), torch.load(f"{folder}/tune.bin"), load_file(sys.argv[3])
    assert applied.keys() == tune.keys(), applied.keys() ^ tune.keys()
    for a, b in (("lm_head.weight", "model.embed_tokens.weight"), ("aux.a", "aux.b")):
        assert torch.equal(applied[a], applied[b]), (a, b)
    for name in tune:
        if sys.argv[4] == "exact":
            assert torch.equal(applied[name], tune[name]), name
    lost = torch.norm(applied["lm_head.weight"] - tune["lm_head.weight"]) / torch.norm(tune["lm_head.weight"])
    assert lost < 1, lost  # the default's noise
