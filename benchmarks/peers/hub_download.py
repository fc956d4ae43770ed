"""Downloads one repository with Graft and with huggingface_hub in turns and prints a line a run: tool, seconds, MB/s, CPU
seconds, peak resident MB. Every run is a new process with an empty cache; CPU and memory are the kernel's (wait4), the
server's are not in them. Each run's files are compared with the source by size, the last run's by SHA-256.

    hub_download.py ENDPOINT REPO SOURCE CACHES TURNS -- GRAFT-COMMAND…
"""
import hashlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

endpoint, repo, source, caches, turns = sys.argv[1:6]
graft = sys.argv[7:]
PYTHON = "import huggingface_hub as h, sys; h.snapshot_download(sys.argv[1])"
TOOLS = {
    "graft": [*graft, "download", repo, "--quiet"],
    "huggingface_hub": [sys.executable, "-c", PYTHON, repo],
}
files = {p.relative_to(source).as_posix(): p for p in pathlib.Path(source).rglob("*") if p.is_file()}
total = sum(p.stat().st_size for p in files.values())


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(tool, command, verify):
    cache = pathlib.Path(caches) / tool
    shutil.rmtree(cache, ignore_errors=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "HF_HUB_CACHE": str(cache / "hub"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    os.sync()
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{tool}: failed with status {status}")
    (snapshot,) = (cache / "hub" / ("models--" + repo.replace("/", "--")) / "snapshots").iterdir()
    for name, path in files.items():
        assert (snapshot / name).stat().st_size == path.stat().st_size, name
        assert not verify or sha256(snapshot / name) == sha256(path), name
    shutil.rmtree(cache)
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{tool:16s} {seconds:7.2f} s {total / seconds / 1e6:7.0f} MB/s  CPU {cpu:6.2f} s  peak {usage.ru_maxrss / 1024:6.0f} MB", flush=True)
    return seconds


times = {tool: [] for tool in TOOLS}
for turn in range(int(turns)):
    for tool, command in TOOLS.items():
        times[tool].append(run(tool, command, turn == int(turns) - 1))
medians = {tool: statistics.median(t) for tool, t in times.items()}
print(f"throughput of graft / huggingface_hub, medians: {medians['huggingface_hub'] / medians['graft']:.2f}")
