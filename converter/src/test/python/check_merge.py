"""check_merge.py tsv|regmean|regmean-transposed NUMBER MERGED BASE TUNE... [GRAM...]: the merge as its paper has it, in numpy."""
import sys

import numpy as np
from safetensors.numpy import load_file

method, number, merged, base, files = sys.argv[1], float(sys.argv[2]), load_file(sys.argv[3]), load_file(sys.argv[4]), sys.argv[5:]
tasks = len(files) if method == "tsv" else len(files) // 2
tunes, grams = [load_file(f) for f in files[:tasks]], [load_file(f) for f in files[tasks:]]


def tsv(vectors):
    if vectors[0].ndim != 2:
        return number * sum(vectors) / tasks
    k = max(1, min(vectors[0].shape) // tasks)
    u, s, v = zip(*[(u[:, :k], s[:k], vt[:k]) for u, s, vt in (np.linalg.svd(x, full_matrices=False) for x in vectors)])
    nearest = lambda x: (lambda p, _, qt: p @ qt)(*np.linalg.svd(x, full_matrices=False))
    return number * nearest(np.concatenate(u, 1)) @ np.diag(np.concatenate(s)) @ nearest(np.concatenate(v, 0))


def regmean(name, vectors):
    own = [g.get(name, g.get(name.removesuffix(".weight"))) for g in grams]
    if own[0] is None:
        return sum(vectors) / tasks
    own = [g.astype(np.float64) for g in own]
    own = [number * g + (1 - number) * np.diag(np.diag(g)) for g in own]
    if method == "regmean-transposed":
        return np.linalg.solve(sum(own), sum(g @ v for g, v in zip(own, vectors)))
    return np.linalg.solve(sum(own), sum(g @ v.T for g, v in zip(own, vectors))).T


for name, value in base.items():
    vectors = [tune[name].astype(np.float64) - value.astype(np.float64) for tune in tunes]
    want = tsv(vectors) if method == "tsv" else regmean(name, vectors)
    error = np.linalg.norm(merged[name] - (value + want)) / np.linalg.norm(want)
    assert error < 1e-5, (name, error)  # float32 differences and one rounding
