#!/usr/bin/env bash
# hang.sh MPI_TEST_PROGRAM: a rank that is stopped under a real mpirun is named by the others, on stderr and in a
# crash note, and the run ends with exit code 1; an abort's code reaches mpirun.
set -euo pipefail
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

run() {  # run FILTER: the hang test of that name on three ranks; exit code in $code
  code=0
  SEXTANT_TEST_DEADLINE=3 SEXTANT_TEST_FOLDER="$folder" timeout 60 mpirun --allow-run-as-root --oversubscribe --quiet \
    --mca mpi_yield_when_idle 1 --bind-to none -n 3 "$program" --gtest_brief=1 --gtest_also_run_disabled_tests \
    --gtest_filter="Hang.$1" >"$folder/output" 2>&1 || code=$?
}

fail() {
  echo "FAILED: $1; the output was:"
  cat "$folder/output"
  exit 1
}

expect() { grep -q "$1" "$2" || fail "no line '$1' in $2"; }

run DISABLED_AStoppedRankIsNamed
[ "$code" = 1 ] || fail "exit code $code where 1 was expected"
expect 'all_reduce #2 of group world has not ended after 3 s' "$folder/output"
expect 'missing ranks: 2$' "$folder/output"
expect 'waiting ranks: 0 1$' "$folder/output"
[ "$(grep -c 'missing ranks' "$folder/output")" = 1 ] || fail "more than one rank reported"
grep -q 'missing ranks: 2$' "$folder"/crash-rank-[01].txt || fail "no crash note"
[ ! -e "$folder/crash-rank-2.txt" ] || fail "the stopped rank left a crash note"

run DISABLED_AnExceptionEndsTheWorld
[ "$code" = 7 ] || fail "exit code $code where 7 was expected"
echo "passed"
