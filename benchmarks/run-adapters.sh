#!/usr/bin/env bash
# Whole processes, start-up included, in turns, twice: `graft reduce` beside torch QR on an adapter of 7B shapes, and
# `graft extract` beside torch.svd_lowrank (and mergekit-extract-lora, if MERGEKIT names it) on a generated 1.1B pair.
# PYTHON names an interpreter with torch and safetensors (default python3). Needs 6 GB below WORK, which it leaves there.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${WORK:-$(mktemp -d)}
python=${PYTHON:-python3}
peers=benchmarks/peers
mkdir -p "$work"
. benchmarks/prepare.sh
TIMEFORMAT='  %R s wall, %U s user, %S s system'

[ -d "$work/7b" ] || "$python" $peers/adapter_7b.py "$work/7b"
cat "$work/7b/adapter_model.safetensors" >/dev/null # page cache
for turn in 1 2; do
  echo "== reduce 7B shapes, rank 64 to 16, turn $turn"
  echo graft
  time GRAFT_JAVA_OPTS=-Xmx128m ./graft reduce "$work/7b" --rank 16 -o "$work/7b-graft" --force -q >/dev/null
  echo 'torch QR'
  time "$python" $peers/reduce_qr_torch.py "$work/7b" "$work/7b-torch" 16
done
"$python" $peers/reduce_dense.py "$work/7b" 16

[ -d "$work/pair/tuned" ] || "$python" $peers/pair_1b.py "$work/pair"
cat "$work"/pair/*/model.safetensors >/dev/null
for turn in 1 2; do
  echo "== extract rank 32 of 1.1B parameters, turn $turn"
  echo graft
  time GRAFT_JAVA_OPTS=-Xmx128m ./graft extract "$work/pair/tuned" --base "$work/pair/base" --rank 32 \
    -o "$work/pair-graft" --force -q >/dev/null
  echo 'torch.svd_lowrank'
  time "$python" $peers/extract_lowrank_torch.py "$work/pair/base" "$work/pair/tuned" "$work/pair-torch" 32
done
"$python" $peers/extract_error.py "$work/pair/base" "$work/pair/tuned" "$work/pair-graft" "$work/pair-torch"

if [ -n "${MERGEKIT:-}" ]; then # two of 22 layers: multiply by eleven
  [ -d "$work/pair-2/tuned" ] || "$python" $peers/pair_1b.py "$work/pair-2" 2
  echo '== mergekit-extract-lora, 2 layers of the same'
  time "$MERGEKIT" --model "$work/pair-2/tuned" --base-model "$work/pair-2/base" --out-path "$work/pair-2-mergekit" \
    --max-rank 32 >/dev/null 2>&1 || echo '  (its model card asks the Hub: offline it fails after the weights are written)'
fi
