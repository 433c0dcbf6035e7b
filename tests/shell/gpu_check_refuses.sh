#!/usr/bin/env bash
# Where there is no GPU, or no build, tests/gpu/check.sh says so and leaves with 2 before it touches anything.
set -euo pipefail
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
failures=0

expect() { # NAME PATTERN COMMAND...
  local name="$1" pattern="$2" code=0
  shift 2
  "$@" >"$scratch/said" 2>&1 || code=$?
  if [ "$code" -ne 2 ] || ! grep -q -- "$pattern" "$scratch/said"; then
    echo "$name: exit code $code, said: $(cat "$scratch/said")"
    failures=$((failures + 1))
  fi
}

# An nvidia-smi that is there, so that the next question is asked.
mkdir "$scratch/bin"
printf '#!/bin/sh\necho 580.00\n' >"$scratch/bin/nvidia-smi"
printf '#!/bin/sh\nexit 1\n' >"$scratch/bin/python3"
chmod +x "$scratch/bin/nvidia-smi" "$scratch/bin/python3"
mkdir -p "$scratch/package/bin"
printf '#!/bin/sh\n' >"$scratch/package/bin/sextant"
chmod +x "$scratch/package/bin/sextant"
mkdir "$scratch/cuda"
cp "$scratch/package/bin/sextant" "$scratch/cuda/sextant"
cp "$scratch/package/bin/sextant" "$scratch/cuda/gpu_test"

if [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ] && ! command -v nvidia-smi >/dev/null; then
  expect "no GPU" "no NVIDIA GPU here" env OUT="$scratch/out" bash tests/gpu/check.sh
fi
expect "no package" "make it with tests/gpu/package.sh" \
  env PATH="$scratch/bin:$PATH" PACKAGE="$scratch/none" OUT="$scratch/out" bash tests/gpu/check.sh
expect "no PyTorch" "python3 has no torch" \
  env PATH="$scratch/bin:$PATH" PACKAGE="$scratch/package" OUT="$scratch/out" bash tests/gpu/check.sh
expect "no CUDA build" "cmake --build --preset cuda" \
  env CUDA_BUILD="$scratch/none" bash tests/gpu/package.sh "$scratch/made"
expect "a folder that is not ours" "BUILD file" \
  env CUDA_BUILD="$scratch/cuda" SEXTANT="$scratch/cuda/sextant" bash tests/gpu/package.sh "$scratch/bin"

[ ! -e "$scratch/out" ] || { echo "check.sh made $scratch/out"; failures=$((failures + 1)); }
[ -e "$scratch/bin/nvidia-smi" ] || { echo "package.sh cleared a folder that is not its own"; failures=$((failures + 1)); }
python3 - tests/gpu/*.py tests/golden/*.py <<'P'
import ast
import sys

for path in sys.argv[1:]:
    ast.parse(open(path, encoding="utf-8").read(), path)
P
[ "$failures" -eq 0 ] && echo "all refusals as expected"
