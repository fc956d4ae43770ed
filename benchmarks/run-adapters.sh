#!/usr/bin/env bash
# Whole processes, start-up included, in turns, TURNS times (default 2): `graft reduce` beside torch QR on an adapter of 7B
# shapes, and `graft extract` beside torch.svd_lowrank (and mergekit-extract-lora, if MERGEKIT names it) on a generated 1.1B
# pair. Prints a table of ratios at the end. PYTHON names an interpreter with torch and safetensors (default python3). Needs
# 6 GB below WORK, which it leaves there.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${WORK:-$(mktemp -d)}
python=${PYTHON:-python3}
turns=${TURNS:-2}
peers=benchmarks/peers
mkdir -p "$work"
. benchmarks/prepare.sh
times=$work/times.txt
: >"$times"
# some machines choose OpenBLAS's kernels for builds older than the one here, which knows better
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
exec 3>&2

# timed JOB TOOL COMMAND…: runs it, prints its times and keeps them
timed() {
  local job=$1 tool=$2 TIMEFORMAT='%R %U %S' seconds
  shift 2
  seconds=$({ time "$@" >/dev/null 2>&3; } 2>&1)
  echo "$job|$tool|$seconds" >>"$times"
  echo "  $tool: $seconds s (wall, user, system)"
}

[ -d "$work/7b" ] || "$python" $peers/adapter_7b.py "$work/7b"
cat "$work/7b/adapter_model.safetensors" >/dev/null # page cache
export GRAFT_JAVA_OPTS=-Xmx128m

for turn in $(seq "$turns"); do
  echo "== reduce 7B shapes, rank 64 to 16, turn $turn"
  timed reduce graft ./graft reduce "$work/7b" --rank 16 -o "$work/7b-graft" --force -q
  timed reduce 'torch QR' "$python" $peers/reduce_qr_torch.py "$work/7b" "$work/7b-torch" 16
done
"$python" $peers/reduce_dense.py "$work/7b" 16

[ -d "$work/pair/tuned" ] || "$python" $peers/pair_1b.py "$work/pair"
cat "$work"/pair/*/model.safetensors >/dev/null
for turn in $(seq "$turns"); do
  echo "== extract rank 32 of 1.1B parameters, turn $turn"
  timed extract graft ./graft extract "$work/pair/tuned" --base "$work/pair/base" --rank 32 -o "$work/pair-graft" --force -q
  timed extract torch.svd_lowrank "$python" $peers/extract_lowrank_torch.py "$work/pair/base" "$work/pair/tuned" \
    "$work/pair-torch" 32
done
"$python" $peers/extract_error.py "$work/pair/base" "$work/pair/tuned" "$work/pair-graft" "$work/pair-torch"

if [ -n "${MERGEKIT:-}" ]; then # two of 22 layers: multiply by eleven
  [ -d "$work/pair-2/tuned" ] || "$python" $peers/pair_1b.py "$work/pair-2" 2
  echo '== mergekit-extract-lora, 2 layers of the same'
  time "$MERGEKIT" --model "$work/pair-2/tuned" --base-model "$work/pair-2/base" --out-path "$work/pair-2-mergekit" \
    --max-rank 32 >/dev/null 2>&1 || echo '  (its model card asks the Hub: offline it fails after the weights are written)'
fi

echo '== best of the turns'
awk -F'|' '
  { split($3, t, " "); key = $1 "|" $2; cpu = t[2] + t[3]
    if (!(key in wall)) { order[++n] = key; wall[key] = t[1]; least[key] = cpu }
    if (t[1] < wall[key]) wall[key] = t[1]
    if (cpu < least[key]) least[key] = cpu }
  END { print "| job | tool | wall s | ratio | CPU s | ratio |"; print "|---|---|---|---|---|---|"
    for (i = 1; i <= n; i++) { split(order[i], k, "|"); g = k[1] "|graft"
      printf "| %s | %s | %.2f | %.2f | %.2f | %.2f |\n", k[1], k[2], wall[order[i]], wall[order[i]] / wall[g], \
        least[order[i]], least[order[i]] / least[g] } }' "$times"
