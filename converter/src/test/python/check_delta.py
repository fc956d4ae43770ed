"""check_delta.py READER (DELTA BASE APPLIED)...: the documented reader rebuilds every APPLIED checkpoint bit for bit."""
import runpy
import sys

import numpy as np
from safetensors.numpy import load_file

apply_delta = runpy.run_path(sys.argv[1])["apply_delta"]
for delta, base, applied in zip(sys.argv[2::3], sys.argv[3::3], sys.argv[4::3]):
    got, want = apply_delta(delta, base), load_file(applied)
    assert got.keys() == want.keys(), got.keys() ^ want.keys()
    for name in want:
        assert got[name].dtype == want[name].dtype and got[name].shape == want[name].shape, name
        assert np.array_equal(got[name].view(np.uint8), want[name].view(np.uint8)), name
