"""save_pickled.py SAFETENSORS BIN: the same tensors as torch.save writes them."""
import sys

import torch
from safetensors.torch import load_file

torch.save(load_file(sys.argv[1]), sys.argv[2])
