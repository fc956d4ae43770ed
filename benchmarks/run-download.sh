#!/usr/bin/env bash
# Downloads 2 GB and 20 small files from a FakeHub on loopback with Graft and with huggingface_hub, in turns.
# PYTHON names an interpreter with huggingface_hub (default python3). FOLDER, on the disk to be measured, takes 5 GB for the
# time of the run (default: a temporary one). FILES is how many files the 2 GB are in (default 1), TURNS how often (default 5).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
folder=$(mktemp -d "${FOLDER:-${TMPDIR:-/tmp}}/download.XXXXXX")
hub=
trap '[ -z "$hub" ] || kill "$hub"; rm -rf "$folder"' EXIT

. benchmarks/prepare.sh
java=$(./graft env --json | sed -n 's/.*"java" : "\(.*\)".*/\1/p')

"$python" - "$folder/source" "${FILES:-1}" <<'PY'
import os, pathlib, sys

source, files = pathlib.Path(sys.argv[1]), int(sys.argv[2])
source.mkdir()
block = os.urandom(1_000_000)
for i in range(files):
    with open(source / f"model-{i + 1:05d}.safetensors", "wb") as file:
        for j in range(2000 // files):
            file.write(j.to_bytes(8, "little") + i.to_bytes(8, "little") + block[16:])
for i in range(20):
    (source / f"part-{i:02d}.json").write_text('{"text": "%s"}' % ("x" * 100 * (i + 1)))
PY

mkfifo "$folder/in"
"$java" -Xmx256m -cp "$(echo hub-client/target/graft-hub-client-*-tests.jar):converter/target/lib/*" \
  graft.hub.testing.FakeHubMain "$folder/hub" "acme/big=$folder/source" <"$folder/in" >"$folder/out" &
hub=$!
exec 3>"$folder/in" # FakeHub serves until its input ends
until grep -q endpoint "$folder/out"; do sleep 0.5; done
endpoint=$(sed -n 's/.*"endpoint":"\([^"]*\)".*/\1/p' "$folder/out")

export GRAFT_JAVA_OPTS=${GRAFT_JAVA_OPTS--Xmx128m}
echo "== 2 GB in ${FILES:-1} file(s) and 20 small ones, $(df --output=fstype "$folder" | tail -n 1), GRAFT_JAVA_OPTS='$GRAFT_JAVA_OPTS'"
"$python" benchmarks/peers/hub_download.py "$endpoint" acme/big "$folder/source" "$folder/caches" "${TURNS:-5}" -- ./graft
