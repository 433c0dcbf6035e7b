#!/usr/bin/env bash
# Sets up, builds everything and runs the suite; CTest has the last word.
set -uo pipefail

usage() {
  cat <<'TEXT'
launch/test.sh [--long]

Sets up what is missing, builds everything and runs the whole suite.

  --long     also: slow tests, the suite under AddressSanitizer + UBSan and under ThreadSanitizer, clang-tidy on every
             source, seeded faults that must turn the suite red, and the CUDA preset compiled and linked (where nvcc is;
             nothing is run on a GPU)
  --help     this text
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
tests=cpu
case ${1:-} in
  '') ;;
  --long) tests=long ;;
  --help | -h) usage; exit 0 ;;
  *) echo "launch/test.sh: unknown argument '$1'" >&2; usage >&2; exit 2 ;;
esac

say() { printf '[%(%H:%M:%S)T +%ds] %s\n' -1 "$SECONDS" "$*"; }

failed=()
# part NAME COMMAND...: goes on when one fails, and remembers it.
part() {
  local name=$1
  shift
  say "$name"
  "$@" || { failed+=("$name"); say "$name: failed"; }
}

# shellcheck disable=SC2317  # these are called through part
sanitized() { SEXTANT_PRESET=$1 bash launch/setup.sh --with-tests && ctest --preset "$1"; }

# shellcheck disable=SC2317
cuda_links() {
  PATH=$PATH:/usr/local/cuda/bin
  command -v nvcc >/dev/null || { say "nvcc is not here: install the CUDA 13 toolkit and NCCL"; return 1; }
  SEXTANT_PRESET=cuda bash launch/setup.sh --with-tests
}

bash launch/setup.sh --with-tests || exit 1
if [[ $tests == long ]]; then
  part "clang-tidy on every source" bash launch/tidy.sh --all
  part "the CUDA preset compiles and links" cuda_links
  part "AddressSanitizer and UBSan" sanitized asan
  part "ThreadSanitizer" sanitized tsan
  part "seeded faults turn the suite red" python3 tests/faults/run.py
  ((${#failed[@]} == 0)) || printf 'failed before the suite itself: %s\n' "${failed[*]}"
fi

say "the suite"
ctest --preset "$tests"
code=$?
((${#failed[@]} == 0)) || exit 1
exit "$code"
