#!/bin/sh
# What a sweep adds to its runs, in ms a run and worker: wall time × jobs / runs, less the time that the runs say their
# stages took. `Benchmarks/run sweeps [RUNS]`; SIMENGINE=… takes another binary, TMPDIR=… another disk.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
engine=${SIMENGINE:-$here/../.build/release/simengine}
[ -x "$engine" ] || { echo "$engine: no such binary; make build" >&2; exit 1; }
runs=${1:-1000}
place=$(mktemp -d "${TMPDIR:-/var/tmp}/simengine-sweeps-XXXXXX")
trap 'rm -rf "$place"' EXIT
cat > "$place/circuit.json" <<'J'
{ "name": "circuit",
  "hardware": { "kind": "crossbar", "device": { "onResistance": 1e5, "offResistance": 1e6 },
    "circuit": { "wireResistance": 2.5, "driverResistance": 100, "senseResistance": 100 } },
  "stages": [ { "circuit": { "conductance": { "random": { "rows": 8, "columns": 8 } },
    "inputs": { "random": { "vectors": 4 } } } } ],
  "sweep": { "stages.circuit.conductance.random.seed": { "from": 1, "to": 1000, "integer": true } } }
J
cat > "$place/training.json" <<'J'
{ "name": "training", "figures": false,
  "data": { "dataset": "mnist-5k", "limit": { "train": 128, "test": 64 } }, "model": "lenet5",
  "stages": [ { "train": { "epochs": 1, "batchSize": 64, "measure": "none" } } ],
  "sweep": { "seed": { "from": 1, "to": 1000, "integer": true } } }
J
now() { date +%s.%N; }
# one NAME CONFIG RUNS OPTION…: a sweep, timed.
one() {
  name=$1 config=$2 count=$3
  shift 3
  path=$([ "$config" = circuit ] && echo stages.circuit.conductance.random.seed || echo seed)
  rm -rf "$place/out"
  start=$(now)
  "$engine" sweep "$place/$config.json" --set "sweep.\"$path\"={ from: 1, to: $count, integer: true }" \
    --jobs 2 --threads 1 --oversubscribe --quiet --output "$place/out" "$@"
  end=$(now)
  cat "$place"/out/*/result.json | awk -v name="$name" -v n="$count" -v t="$end" -v s="$start" '
    /"timings":/ { if (match($0, /\{.*\}/)) { m = split(substr($0, RSTART + 1, RLENGTH - 2), parts, ",")
      for (i = 1; i <= m; i++) if (parts[i] !~ /epochs/) { sub(/.*:/, "", parts[i]); own += parts[i] } } }
    END { wall = t - s
      printf "| %s | %d | %.2f | %.2f | %.2f | %.2f |\n", name, n, wall, 2000 * wall / n, 1000 * own / n, (2000 * wall - 1000 * own) / n }'
}
echo "| sweep, --jobs 2 | runs | wall, s | ms a run and worker | of which its stages | overhead, ms |"
echo "|---|---|---|---|---|---|"
one "circuits 8×8, warm workers" circuit "$runs"
one "circuits 8×8, a process each" circuit "$runs" --isolated
one "LeNet-5, two batches of 64, warm workers" training "$runs"
one "LeNet-5, two batches of 64, a process each" training "$runs" --isolated
one "circuits 8×8, warm workers" circuit $((10 * runs))
start=$(now)
"$engine" sweep "$place/circuit.json" --set "sweep.\"stages.circuit.conductance.random.seed\"={ from: 1, to: $((10 * runs)), integer: true }" \
  --output "$place/out" --resume --quiet
echo "--resume of $((10 * runs)) points that are all done: $(echo "$(now) - $start" | bc) s"
