#!/usr/bin/env bash
# Configs/schema.json is what the binary prints, every committed configuration is valid, and so is every point of a study.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1
diff <("$binary" schema) Configs/schema.json || { echo "Configs/schema.json is out of date: make schema" >&2; exit 1; }
find Configs -name '*.json' ! -name schema.json -print0 | xargs -0 "$binary" validate
CHECK=1 SEEDS=1 SIMENGINE=$binary Scripts/make-reference
