#!/usr/bin/env bash
# Converts three generated fine-tunes of 1.1 billion parameters (2.2 GB each, bf16) with `graft convert --density 0.05`, both
# presets, heap limited to 256 MB, beside mergekit, numpy and deltatensors: whole processes, in turns, start-up included.
# PYTHON names an interpreter with torch, safetensors, ml_dtypes and deltatensors, MERGEKIT mergekit-yaml; what is missing is
# skipped with a message. FOLDER (default a temporary one) gets 9 GB of models, kept if FOLDER was named, and 3 GB of results
# at a time. LAYERS (22) makes models smaller, PEER_LAYERS those of rivals alone; TURNS (2) repeats all.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
layers=${LAYERS:-22}
folder=${FOLDER:-$(mktemp -d)}
mkdir -p "$folder"
trap 'rm -rf "$folder/out"; [ -n "${FOLDER:-}" ] || rm -rf "$folder"' EXIT
./graft env >/dev/null && sleep 30 # builds, and makes the cache of classes in the background

family() { # LAYERS -> its folder
  local at=$folder/family-$1
  [ -f "$at/task3/config.json" ] || "$python" benchmarks/peers/family_1b.py "$at" "$1" >&2
  echo "$at"
}
run() { # LABEL COMMAND...
  rm -rf "$folder/out"
  "$python" benchmarks/peers/measure.py "$@" || echo "| $1 | failed or not there | | | | |"
}
deltas() { # what was written beside dense models
  echo "    deltas: $(find "$folder/out" \( -name 'delta.safetensors' -o -name '*.wdelta' -o -name '*.npz' \) -printf '%s ' 2>/dev/null) bytes"
}
own=$(family "$layers")
peer=$(family "${PEER_LAYERS:-$layers}")
tasks=("$own/task1" "$own/task2" "$own/task3")
for method in task_arithmetic ties; do
  {
    printf 'merge_method: %s\nbase_model: %s\ndtype: bfloat16\nmodels:\n' "$method" "$peer/base"
    for t in 1 2 3; do
      printf -- '- model: %s\n  parameters: {weight: 0.3, density: 0.05}\n' "$peer/task$t"
    done
  } | if [ $method = ties ]; then cat; else sed 's/, density: 0.05//'; fi >"$folder/$method.yml"
done
export GRAFT_JAVA_OPTS=${GRAFT_JAVA_OPTS:--Xmx256m}

cat "$own"/*/model.safetensors >/dev/null # into the page cache
bytes=$(stat -c %s "$own/base/model.safetensors")
for processes in 1 2 1 2 1 2; do
  start=$(date +%s%N)
  for p in $(seq "$processes"); do
    (for t in 1 2 3; do dd if="$own/task$(((p + t) % 3 + 1))/model.safetensors" of=/dev/null bs=1M 2>/dev/null; done) &
  done
  wait
  awk "BEGIN { printf \"Page cache, $processes readers: %.1f GB/s\n\", $processes * 3 * $bytes / ($(date +%s%N) - $start) }"
done
echo "SHA-256, one thread: $(openssl speed -seconds 3 -bytes 16384 sha256 2>/dev/null | tail -1 || echo 'no openssl')"
echo "Load: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) processors; rivals with ${PEER_LAYERS:-$layers} of $layers layers"
for turn in $(seq "${TURNS:-2}"); do
  echo "== turn $turn"
  echo '| tool | wall s | CPU s | user + system | peak RSS MiB | without mapped files |'
  echo '|---|---|---|---|---|---|'
  for preset in compact paper; do
    run "graft convert --preset $preset" ./graft convert "${tasks[@]}" --base "$own/base" --density 0.05 --preset $preset \
      -o "$folder/out"
    deltas
  done
  [ "$turn" -gt 1 ] || "$python" benchmarks/peers/merged_exactly.py "$own" "$folder/out/merged/model.safetensors" \
    model.layers.0.mlp.down_proj.weight model.layers.1.self_attn.k_proj.weight model.norm.weight lm_head.weight
  run 'graft merge' ./graft merge "${tasks[@]}" --base "$own/base" -o "$folder/out"
  run 'graft merge --method ties' ./graft merge "${tasks[@]}" --base "$own/base" --method ties --merge-density 0.05 -o "$folder/out"
  for method in task_arithmetic ties; do
    run "mergekit $method" "${MERGEKIT:-mergekit-yaml}" "$folder/$method.yml" "$folder/out" --no-copy-tokenizer
  done
  for tool in deltatensors partition; do
    run "$tool" "$python" benchmarks/peers/convert_peers.py $tool "$peer" "$folder/out"
    deltas
  done
done
