"""check_delta.py READER (DELTA BASE APPLIED)...: the documented reader rebuilds every APPLIED checkpoint bit for bit."""
import importlib.util
import os
import sys

import numpy as np
from safetensors.numpy import load_file

sys.path.insert(0, os.path.dirname(sys.argv[1]))  # the reader is two files
spec = importlib.util.spec_from_file_location("read_delta", sys.argv[1])
read_delta = importlib.util.module_from_spec(spec)
spec.loader.exec_module(read_delta)
apply_delta = read_delta.apply_delta
for delta, base, applied in zip(sys.argv[2::3], sys.argv[3::3], sys.argv[4::3]):
    got, want = apply_delta(delta, base), load_file(applied)
    assert got.keys() == want.keys(), got.keys() ^ want.keys()
    for name in want:
        assert got[name].dtype == want[name].dtype and got[name].shape == want[name].shape, name
        assert np.array_equal(got[name].view(np.uint8), want[name].view(np.uint8)), name
