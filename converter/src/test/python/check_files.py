"""check_files.py -- FILE...: safetensors reads every .safetensors whole, onnx's full check passes every .onnx."""
import sys

import onnx
from safetensors import safe_open

for file in sys.argv[2:]:
    if file.endswith(".onnx"):
        onnx.checker.check_model(file, full_check=True)
    else:
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():
                tensors.get_tensor(name)
