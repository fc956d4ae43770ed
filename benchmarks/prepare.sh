#!/usr/bin/env bash
# Builds Graft and waits for the launcher's cache: what a second call after an installation finds. Sourced by the other scripts.
mvn -q -pl converter -am -DskipTests -Djacoco.skip=true package
./graft -h >/dev/null
for _ in $(seq 600); do
  [ -d converter/target/graft.aot.making ] || break
  sleep 0.5
done
