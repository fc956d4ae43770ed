"""Copies the adapter fixtures that the tests use. Goldens are kept small: of a merged checkpoint the tensors that differ
from the base (tests compare the others with the base), and where the merge has to be bit-equal only their SHA-256.
Left out are goldens that repeat another one, and the weights of adapters whose configuration alone decides.

    python copy_fixtures.py ../shared/fixtures/adapters testdata/adapters
"""
import hashlib, json, os, shutil, sys

import torch
from safetensors.torch import load_file, save_file

# refused for what the configuration says; these keep their weights all the same, to be inspected
BY_CONFIG = {"unsupported_type", "unsupported_field", "unknown_field", "bad_config", "mutated_base", "unsupported_regex"}
WITH_WEIGHTS = {"type_oft", "pissa_unconverted", "alora"}
# the reference sums these in another order (norms, one small convolution, products of tiny matrices) or in float64
NOT_BIT_EQUAL = ("dora_", "conv2d", "lokr_decompose_both", "diffusers_", "kohya_")

source, target = sys.argv[1:]
shutil.copytree(os.path.join(source, "bases"), os.path.join(target, "bases"), dirs_exist_ok=True)
for name in sorted(os.listdir(source)):
    case_file = os.path.join(source, name, "case.json")
    if not os.path.exists(case_file):
        continue
    case = json.load(open(case_file))
    out = os.path.join(target, name)
    os.makedirs(out, exist_ok=True)
    shutil.copy(case_file, out)
    for folder in ("adapter", "initial_adapter"):
        if os.path.isdir(os.path.join(source, name, folder)):
            shutil.copytree(os.path.join(source, name, folder), os.path.join(out, folder), dirs_exist_ok=True)
    for readme in ("adapter/README.md", "initial_adapter/README.md", "adapter/style/README.md"):
        if os.path.exists(os.path.join(out, readme)):
            os.remove(os.path.join(out, readme))
    weights = os.path.join(out, "adapter", "adapter_model.safetensors")
    if case.get("code") in BY_CONFIG and name not in WITH_WEIGHTS and os.path.exists(weights):
        os.remove(weights)
    if os.path.exists(os.path.join(source, name, "base.safetensors")):
        shutil.copy(os.path.join(source, name, "base.safetensors"), out)
    goldens = {"": case.get("golden"), "fp32": case.get("golden_fp32round"), **case.get("goldens", {})}
    goldens["initial"] = case.get("with_initial_adapter", {}).get("golden")
    for component, golden in goldens.items():
        if not golden or "same_result_as" in case:
            continue
        base = load_file(os.path.join(source, case.get("base_file") or case["base_files"][component]))
        full = load_file(os.path.join(source, name, golden))
        changed = {
            k: v for k, v in full.items()
            if k not in base or base[k].shape != v.shape or not v.equal(base[k])
        }
        assert set(full) >= set(base), name
        if component == "fp32":
            assert all(v.equal(load_file(os.path.join(source, name, "golden.safetensors"))[k]) for k, v in changed.items())
        elif name.startswith(NOT_BIT_EQUAL) or component == "initial":
            save_file(changed, os.path.join(out, golden), metadata={"format": "pt"})
        else:
            digest = {k: hashlib.sha256(v.contiguous().view(-1).view(torch.uint8).numpy()).hexdigest() for k, v in changed.items()}
            with open(os.path.join(out, "golden.sha256.json"), "w") as f:
                json.dump({component: digest}, f, indent=1, sort_keys=True)
