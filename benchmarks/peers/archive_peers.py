"""archive_peers.py GRAFT WORK SET...: packs and unpacks the same files with Graft and its peers, in turns, as whole processes.

A SET is NAME=FILE:DTYPE[:BASE]. Prints one table row per set and tool: size, wall and CPU seconds, MB/s of the file, peak memory.
Peers that are not there are left out and named: zipnn (this interpreter), lmz (beside this interpreter or on PATH), zstd, gzip, tar.
"""
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import time

TURNS = int(os.environ.get("TURNS", "2"))
HERE = pathlib.Path(__file__).parent
graft, work, *sets = sys.argv[1:]
work = pathlib.Path(work)
lmz = shutil.which("lmz") or shutil.which("lmz", path=os.environ.get("LMZ_PATH", str(pathlib.Path(sys.executable).parent)))


def timed(command):
    start = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError("%s: %s" % (command, error.decode()[-500:]))
    return time.time() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def tools(file, dtype, base, packed, back):
    """Name: pack command, unpack command, the restored file."""
    file, packed, back = str(file), str(packed), str(back)
    name = os.path.basename(file)
    shell = lambda text: ["sh", "-c", text]
    beside = ["--base", base] if base else []
    yield "graft", [graft, "pack", "-q", "-j", "2", file, *beside, "-o", packed], [
        graft, "unpack", "-q", "-j", "2", packed, *beside, "-o", back], os.path.join(back, name)
    if importlib.util.find_spec("zipnn"):
        command = [sys.executable, str(HERE / "zipnn_file.py")]
        other = [base] if base else []
        yield "zipnn", [*command, "pack", dtype, file, packed, *other], [*command, "unpack", dtype, packed, back, *other], back
    if lmz and not base:
        yield "lmz", [lmz, "c", "-f", "-q", "-j", "2", file, packed], [lmz, "d", "-f", "-q", "-j", "2", packed, back], back
    if lmz and base:
        folder = os.path.dirname(file)  # lmz codes deltas between files of one archive: base and model lie together
        yield "lmz, both files", [lmz, "c", "-f", "-q", "-j", "2", folder, packed], [
            lmz, "d", "-f", "-q", "-j", "2", packed, back], os.path.join(back, name)
    yield "zstd -3", shell("zstd -q -3 -T2 -c '%s' > '%s'" % (file, packed)), shell("zstd -q -d -c '%s' > '%s'" % (packed, back)), back
    if not base:
        yield "tar.zst -19", shell("tar -cf - -C '%s' '%s' | zstd -q -19 -T2 > '%s'" % (os.path.dirname(file), name, packed)), shell(
            "mkdir '%s' && zstd -q -d -c '%s' | tar -xf - -C '%s'" % (back, packed, back)), os.path.join(back, name)
        yield "gzip -6", shell("gzip -6 -c '%s' > '%s'" % (file, packed)), shell("gzip -d -c '%s' > '%s'" % (packed, back)), back


def clear(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


slow = os.environ.get("SKIP", "").split(",")
missing = [name for name, there in (("zipnn", importlib.util.find_spec("zipnn")), ("lmz", lmz)) if not there]
if missing:
    print("left out, not installed: " + ", ".join(missing), file=sys.stderr)
print("| set | tool | size | pack: wall s | CPU s | MB/s | unpack: wall s | CPU s | MB/s | peak MiB |")
print("|---|---|---|---|---|---|---|---|---|---|")
for each in sets:
    name, rest = each.split("=")
    file, dtype, *base = rest.split(":")
    base = base[0] if base else None
    size = os.path.getsize(file)
    best = {}
    for turn in range(TURNS):
        for tool, pack, unpack, restored in tools(file, dtype, base, work / "packed", work / "back"):
            if tool.split()[0] in slow or tool in slow:
                continue
            clear(work / "packed")
            clear(work / "back")
            results = timed(pack), timed(unpack)
            if subprocess.run(["cmp", "-s", file, restored]).returncode != 0:
                raise SystemExit("%s: %s does not come back" % (tool, file))
            old = best.get(tool)
            bytes_out = os.path.getsize(work / "packed")
            if "both" in tool:
                size_in = size + os.path.getsize(base)
            else:
                size_in = size
            best[tool] = (bytes_out, size_in, *(min(a, b) if old else b for a, b in zip(old[2:] if old else results, results)))
    for tool, (bytes_out, size_in, packing, unpacking) in best.items():
        print("| %s | %s | %d = %.2f %% | %.2f | %.2f | %.0f | %.2f | %.2f | %.0f | %.0f |" % (
            name, tool, bytes_out, 100 * bytes_out / size_in, packing[0], packing[1], size_in / 1e6 / packing[0],
            unpacking[0], unpacking[1], size_in / 1e6 / unpacking[0], max(packing[2], unpacking[2])))
    sys.stdout.flush()
