#!/usr/bin/env bash
# Reduces one 4096x64 · 64x4096 module to rank 16 with Graft (JMH), numpy and torch, in turns, twice.
# PYTHON names an interpreter with numpy and torch (default python3); what is missing is skipped with a message.
set -euo pipefail
cd "$(dirname "$0")/.."
mvn -q -pl benchmarks -am -DskipTests -Djacoco.skip=true package
# the launcher knows where a suitable JDK is
java=$(./graft env --json | sed -n 's/.*"java" : "\(.*\)".*/\1/p')
for turn in 1 2; do
  echo "== turn $turn: best, median ms, relative error"
  "${PYTHON:-python3}" benchmarks/peers/reduce_peers.py || echo 'no Python: peers skipped' >&2
  "$java" --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
    -cp 'benchmarks/target/classes:benchmarks/target/lib/*' org.openjdk.jmh.Main ReduceBenchmark -f 1 -foe true |
    grep -E '^(Benchmark|ReduceBenchmark)'
done
