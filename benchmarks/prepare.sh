#!/usr/bin/env bash
# Builds Graft and waits for the launcher's cache: what a second call after an installation finds. Sourced by the other scripts.
mvn -q -pl converter -am -DskipTests -Djacoco.skip=true package
./graft -h >/dev/null
while [ -d converter/target/graft.aot.making ]; do sleep 0.5; done
