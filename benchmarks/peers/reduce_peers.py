"""The same reduction in numpy and torch: thin QR of both factors, SVD of the 64x64 core, new factors. One thread, warm.
Prints a line a tool: name, best and median milliseconds, relative error. Skips what is not installed, and says so."""
import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
SIDE, RANK, KEPT, ROUNDS = 4096, 64, 16, 40


def report(name, run, error):
    for _ in range(5):
        run()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    print(f"{name:28s} {min(times):8.2f} {statistics.median(times):8.2f} {error():.9f}")


try:
    import numpy as np

    rng = np.random.default_rng(1)
    b, a = rng.standard_normal((SIDE, RANK), np.float32), rng.standard_normal((RANK, SIDE), np.float32)

    def numpy_qr():
        qb, rb = np.linalg.qr(b)
        qa, ra = np.linalg.qr(a.T)
        u, s, vt = np.linalg.svd(rb @ ra.T)
        root = np.sqrt(2 * s[:KEPT])
        return (qb @ u[:, :KEPT]) * root, root[:, None] * (vt[:KEPT] @ qa.T)

    def numpy_error():
        x, y = (z.astype(np.float64) for z in numpy_qr())
        dense = 2 * b.astype(np.float64) @ a.astype(np.float64)
        return np.linalg.norm(dense - x @ y) / np.linalg.norm(dense)

    report("numpy QR + core, f32", numpy_qr, numpy_error)
except ImportError:
    print("numpy is not installed: skipped", file=sys.stderr)

try:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    for dtype in (torch.float32, torch.bfloat16):
        tb, ta = torch.randn(SIDE, RANK).to(dtype), torch.randn(RANK, SIDE).to(dtype)

        def torch_qr():
            qb, rb = torch.linalg.qr(tb.float())
            qa, ra = torch.linalg.qr(ta.float().T)
            u, s, vt = torch.linalg.svd(rb @ ra.T)
            root = torch.sqrt(2 * s[:KEPT])
            return ((qb @ u[:, :KEPT]) * root).to(dtype), (root[:, None] * (vt[:KEPT] @ qa.T)).to(dtype)

        def torch_error():
            x, y = (z.double() for z in torch_qr())
            dense = 2 * tb.double() @ ta.double()
            return float(torch.linalg.norm(dense - x @ y) / torch.linalg.norm(dense))

        report(f"torch QR + core, {'f32' if dtype == torch.float32 else 'bf16'}", torch_qr, torch_error)
except ImportError:
    print("torch is not installed: skipped", file=sys.stderr)
