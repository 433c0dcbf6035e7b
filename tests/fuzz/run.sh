#!/usr/bin/env bash
# Looks for inputs that break a parser, with libFuzzer (clang), AddressSanitizer and UBSan.
set -uo pipefail

usage() {
  cat <<'TEXT'
tests/fuzz/run.sh [--seconds N] [--keep] [TARGETS...]

Builds the preset `fuzz` and runs every target (or those named) for N seconds (60). An input that breaks one is left
in build/fuzz/found, with the command that replays it.

  --keep    adds what reached new code to tests/fuzz/corpus, in as few files as reach it all
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
seconds=60 keep=no names=()
while (($# > 0)); do
  case $1 in
    --seconds) seconds=${2:?--seconds wants a number}; shift ;;
    --keep) keep=yes ;;
    --help | -h) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) names+=("$1") ;;
  esac
  shift
done
((${#names[@]} > 0)) || mapfile -t names < <(cd tests/fuzz/corpus && printf '%s\n' *)

command -v clang++-14 >/dev/null || { echo "fuzz: clang++-14 is missing: apt-get install clang-14 libclang-rt-14-dev" >&2; exit 2; }
cmake --preset fuzz >/dev/null || exit 1
cmake --build --preset fuzz --target "${names[@]/#/fuzz_}" || exit 1

broken=()
for name in "${names[@]}"; do
  program=build/fuzz/tests/fuzz/fuzz_$name new=build/fuzz/new/$name found=build/fuzz/found/$name
  mkdir -p "$new" "$found"
  echo "fuzz: $name, $seconds s"
  "$program" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$found/" "$new" "tests/fuzz/corpus/$name" 2>&1 | tail -n 20 | sed 's/^/  /'
  if ((PIPESTATUS[0] != 0)); then
    broken+=("$name")
    echo "fuzz: $name broke; replay it with: $program $found/FILE"
  elif [[ $keep == yes ]]; then
    "$program" -merge=1 "tests/fuzz/corpus/$name" "$new" >/dev/null 2>&1
  fi
done
((${#broken[@]} == 0)) || { echo "fuzz: broken: ${broken[*]}"; exit 1; }
echo "fuzz: ${#names[@]} targets, $seconds s each, nothing broke"
