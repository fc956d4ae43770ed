"""measure.py LABEL COMMAND...: runs a command and prints a row: label, wall and processor seconds, peak resident memory, and the
peak of what is resident but no mapped file (RssAnon + RssShmem of /proc/PID/status, sampled 50 times a second), in MiB. Fails
if the command fails; what it printed is then shown."""
import resource
import subprocess
import sys
import tempfile
import threading
import time

label, command = sys.argv[1], sys.argv[2:]
peak, done = [0], threading.Event()


def watch(pid):
    while not done.wait(0.02):
        try:
            lines = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
            peak[0] = max(peak[0], sum(int(lines[k].split()[0]) for k in ("RssAnon", "RssShmem")))
        except (OSError, KeyError, ValueError):
            pass


with tempfile.TemporaryFile("w+") as log:
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    thread = threading.Thread(target=watch, args=(process.pid,))
    thread.start()
    code = process.wait()
    wall = time.monotonic() - start
    done.set()
    thread.join()
    if code:
        log.seek(0)
        sys.exit(f"{label}: exit code {code}\n{log.read()[-2000:]}")
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"| {label} | {wall:.1f} | {used.ru_utime + used.ru_stime:.1f} | {used.ru_utime:.1f} + {used.ru_stime:.1f} "
      f"| {used.ru_maxrss / 1024:.0f} | {peak[0] / 1024:.0f} |", flush=True)
