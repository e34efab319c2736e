#!/usr/bin/env bash
# Sweeps on a real Slurm cluster: arrays that complete, tasks that are cancelled, requeued and lost with their node. In
# the end every point is there once, in the bytes of a sweep on this machine.
#
#   Tests/slurm.sh BINARY [POINTS]     200 points by default, a task each
#
# Skipped, loudly, where Slurm is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "$1") points=${2:-200} cluster=$PWD/Tests/slurm-cluster
work=$(mktemp -d "${TMPDIR:-/tmp}/simengine-slurm-XXXXXX")
# munged wants the way to its socket to be open to all.
chmod 755 "$work"
place=$work/cluster
export SLURM_CONF=$place/slurm.conf
finish() {
  local status=$?
  "$cluster" stop "$place" >/dev/null 2>&1 || true
  if [ $status = 0 ] || [ $status = 99 ]; then rm -rf "$work"; else echo "kept for a look: $work" >&2; fi
  [ $status != 99 ] || exit 0
}
trap finish EXIT

# Few tasks an array, so that a sweep needs several.
"$cluster" start "$place" MaxArraySize=$((points / 2 + 1)) || {
  [ $? = 3 ] || exit 1
  echo "SKIPPED: $0: no sweep was run on Slurm" >&2
  exit 99
}
# A space, for every path that a script holds.
mkdir "$work/a sweep"
cd "$work/a sweep"

fail() {
  echo "$0: $*" >&2
  exit 1
}
step() { echo "slurm: $* ($SECONDS s)"; }

# A result but for what depends on the machine and the clock.
result() { awk '/^  "(machine|timings)": {/ { skip = 1 } !skip; skip && /^  }/ { skip = 0 }' "$1"; }

# Whether two sweeps left the same runs, byte for byte.
same() {
  local run file
  diff <(cd "$1" && ls -d ????????????) <(cd "$2" && ls -d ????????????) || fail "$2 has other runs than $1"
  cmp "$1/sweep.json" "$2/sweep.json"
  cmp "$1/summary.csv" "$2/summary.csv"
  for run in $(cd "$1" && ls -d ????????????); do
    diff <(ls "$1/$run") <(ls "$2/$run") || fail "$2/$run has other files than $1/$run"
    for file in config.json epochs.csv; do
      [ ! -e "$1/$run/$file" ] || cmp "$1/$run/$file" "$2/$run/$file"
    done
    cmp <(result "$1/$run/result.json") <(result "$2/$run/result.json") || fail "$2/$run: another result"
  done
}

# Waits for a condition, a minute at most.
await() {
  local i
  for i in $(seq 600); do
    if eval "$1"; then return; fi
    sleep 0.1
  done
  fail "waited in vain for: $1"
}
ended() { ls "$1"/*/result.json 2>/dev/null | wc -l; }
tasks() { squeue --noheader --array --format=%F_%K --states="$1"; }

cat >circuits.json <<END
{ "name": "circuits", "hardware": { "kind": "crossbar" },
  "stages": [ { "circuit": { "conductance": { "random": { "rows": 8, "columns": 8 } },
    "inputs": { "random": { "vectors": 4 } } } } ],
  "sweep": { "hardware.circuit.wireResistance": [0, 1, 2.5, 5],
    "stages.circuit.conductance.random.seed": { "from": 1, "to": $((points / 4)), "integer": true } } }
END
# trainings EPOCHS
trainings() {
  cat >trainings.json <<END
{ "name": "trainings", "data": "mnist-5k", "model": { "architecture": "mlp", "hidden": [64] }, "figures": false,
  "stages": [ { "train": { "epochs": $1, "batchSize": 64 } }, { "evaluate": {}, "label": "test" } ],
  "sweep": { "stages.train.optimizer.learningRate": [0.02, 0.05], "seed": [1, 2, 3] } }
END
}

# 1. An array for each half, a point a task.
"$binary" sweep circuits.json --output local --quiet
"$binary" sweep circuits.json --output arrays --slurm --task-time 0.001 --quiet
[ "$(ls arrays/slurm/*.log | wc -l)" = "$points" ] || fail "expected a task for each of $points points"
[ "$(ls arrays/slurm/*.sh | wc -l)" = 2 ] || fail "expected two arrays"
same local arrays
step "$points points in $points tasks of two arrays completed"
if [ -z "${SIMENGINE_TEST_FULL:-}" ]; then
  echo "SKIPPED: $0: tasks that are signalled, cancelled and lost; SIMENGINE_TEST_FULL=1 runs them too" >&2
  exit 0
fi

# 2. Trainings that are signalled, requeued and lost with their node, and tasks that are cancelled. Each has to last long
# enough to be disturbed, some twenty seconds where four share the processors, on any machine.
trainings 40
start=$(date +%s%N)
"$binary" sweep trainings.json --output trial --only seed=1 --jobs 1 --quiet
trainings $((40 * 2 * 10000 / (($(date +%s%N) - start) / 1000000)))
"$binary" sweep trainings.json --output reference --quiet
step "trained here"
"$binary" sweep trainings.json --output trained --slurm --task-time 1 --quiet 2>follower.txt &
follower=$!
await '[ "$(tasks RUNNING | wc -l)" = 4 ] && [ "$(ls trained/*/state/checkpoint.safetensors 2>/dev/null | wc -l)" = 4 ]'
# Two wait for a place; they are not to get one.
scancel $(tasks PENDING)
read -r -d '' first second <<<"$(squeue --noheader --array --format=%F_%K --states=RUNNING --nodelist=n1)" || true
# Out of time: the task writes checkpoints, ends and asks to be requeued, maybe before scancel, which tries again for a
# minute, is content. Whether the signal came is asked below.
timeout 2 scancel --batch --signal=USR1 "$first" 2>/dev/null || true
# Pre-empted: Slurm ends it and requeues it.
scontrol requeue "$second"
# The node goes, and everything on it.
lost=$(squeue --noheader --array --format=%F_%K --states=RUNNING --nodelist=n2)
"$cluster" kill "$place" n2
# Slurm finds out when the node has not answered for a while, and requeues them.
await '[ "$(tasks PENDING | grep -c -x -F "$(printf "%s\n" $lost)")" = 2 ]'
"$cluster" restart "$place" n2
# Slurm's order to end what ran on the lost node reaches the new slurmd, and would end the same tasks there.
sleep 8
# A requeued job may wait two minutes otherwise.
for task in $first $second $lost; do scontrol update "jobid=$task" StartTime=now || true; done
status=0
wait $follower || status=$?
[ $status = 1 ] || fail "the follower ended with status $status, though points are missing"
grep -q "points are missing" follower.txt || fail "the follower does not say what is missing"
[ "$(ended trained)" = 4 ] || fail "expected 4 of 6 points, found $(ended trained)"
grep -q "goes on when Slurm starts it again" trained/slurm/*.log || fail "no task asked to be requeued"
step "4 trainings survived a signal, a requeue and the loss of a node"
"$binary" sweep trainings.json --output trained --slurm --resume --quiet
same reference trained
step "--resume ran the two that were cancelled"

# 3. A follower that is interrupted leaves its jobs running; a second one finds them.
"$binary" sweep trainings.json --output again --slurm --task-time 1 --quiet 2>follower.txt &
follower=$!
await '[ "$(tasks RUNNING | wc -l)" = 4 ]'
kill -INT $follower
status=0
wait $follower || status=$?
[ $status = 130 ] && grep -q "scancel" follower.txt || fail "an interrupted follower says: $(cat follower.txt)"
"$binary" sweep again --slurm --resume
[ "$(ls again/slurm/*.json | wc -l)" = 1 ] || fail "tasks that lived were submitted again"
same reference again
step "a second follower found the jobs of the first"
