"""check_bitmask.py BASE (RESIDUAL APPLIED)...: base + what compressed-tensors decompresses is APPLIED, bit for bit."""
import sys

import torch
from compressed_tensors.compressors.sparse_compressors.sparse_bitmask import BitmaskCompressor, bitmask_compress
from safetensors import safe_open
from safetensors.torch import load_file

base = load_file(sys.argv[1])
for residual, applied in zip(sys.argv[2::2], map(load_file, sys.argv[3::2])):
    with safe_open(residual, "pt") as file:
        whole = file.metadata()["graft.whole"].splitlines()
        names = set(file.keys())
        masked = 0
        for name in names:
            if name.endswith(".bitmask"):  # as the library itself would write it, zeros among kept entries apart
                module = name.removesuffix(".bitmask")
                dense = BitmaskCompressor().decompress_weight(
                    {part: file.get_tensor(f"{module}.{part}") for part in ("shape", "compressed", "bitmask", "row_offsets")})
                if (file.get_tensor(f"{module}.compressed") != 0).all():
                    values, mask, offsets = bitmask_compress(dense)
                    assert torch.equal(values, file.get_tensor(f"{module}.compressed")), name
                    assert torch.equal(mask, file.get_tensor(name)), name
                    assert torch.equal(offsets, file.get_tensor(f"{module}.row_offsets")), name
                masked += 1
    assert masked > 15, masked
    found = dict(BitmaskCompressor().decompress(residual))
    assert found.keys() == applied.keys(), found.keys() ^ applied.keys()
    for name, want in applied.items():
        got = found[name] if name in whole else (base[name].float() + found[name]).to(want.dtype)
        assert torch.equal(got, want), name
