"""archive_large.py FILE: a bf16 checkpoint of 4.3 GB, Gaussian rows whose scales differ as those of trained matrices do."""
import sys

import torch
from safetensors.torch import save_file

torch.manual_seed(0)
tensors = {}
for layer in range(32):
    rows = torch.randn(8192, 8192) * (0.01 * torch.exp(0.5 * torch.randn(8192, 1)))
    tensors[f"layers.{layer}.weight"] = rows.to(torch.bfloat16)
save_file(tensors, sys.argv[1], {"format": "pt"})
