#!/usr/bin/env bash
# launch/run.sh with a program that stands in for the executable: stops, restarts, gives up, hands on exit codes.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "run_sh: $*" >&2; echo "--- what run.sh said:" >&2; cat "$work/log" >&2; exit 1; }

# Behaves as the file $work/plan says, one word a start: ok, crash, progress-crash, refuse, train.
cat >"$work/sextant" <<'FAKE'
#!/usr/bin/env bash
work=$(dirname "$0")
if [[ $1 == config ]]; then
  [[ "$*" == "config show --json run.yaml"* ]] || exit 2
  printf '{\n  "config": {\n    "run": {\n      "folder": "%s/run",\n      "steps": 5\n    }\n  },\n' "$work"
  printf '  "origins": {\n    "run.folder": "run.yaml:2:3"\n  }\n}\n'
  exit 0
fi
rank=$OMPI_COMM_WORLD_RANK
starts=$(cat "$work/starts.$rank" 2>/dev/null || echo 0)
echo $((starts + 1)) >"$work/starts.$rank"
read -r -a plan <"$work/plan"
echo "$*" >"$work/arguments"
env >"$work/environment"
case ${plan[starts]:-crash} in
  ok) exit 0 ;;
  refuse) exit 2 ;;
  progress-crash) mkdir -p "$work/run/checkpoints/step-0000000$((starts + 1))" ;;&
  progress-crash | crash)
    mkdir -p "$work/run/ranks"
    echo "the watchdog saw rank 1 stop" >"$work/run/ranks/crash-rank-1.txt"
    [[ $rank == 1 ]] && kill -KILL $$
    sleep 20 ;;
  train)
    # As sextant does: whoever leaves does not mind the TERM that mpirun sends once another rank has left.
    trap '' TERM
    trap 'exit 75' USR1
    touch "$work/trains.$rank"
    for _ in $(seq 200); do sleep 0.1; done
    exit 3 ;;
esac
FAKE
chmod +x "$work/sextant"
export SEXTANT=$work/sextant
export NCCL_DEBUG=WARN
unset "${!SLURM_@}"

fresh() {
  rm -rf "$work"/run "$work"/starts.* "$work"/trains.*
  mkdir -p "$work/run/checkpoints"
  echo "$*" >"$work/plan"
}
run() { bash launch/run.sh -n 2 --backoff 0.1 -- pretrain run.yaml run.steps=5 >"$work/log" 2>&1; }
said() { grep -q -- "$1" "$work/log" || fail "it did not say '$1'"; }
started() { [[ $(cat "$work/starts.0") == "$1" ]] || fail "started $(cat "$work/starts.0") times, not $1"; }
# Starts in the background and waits until both ranks train.
start_training() {
  bash launch/run.sh -n 2 -- pretrain run.yaml >"$work/log" 2>&1 &
  supervisor=$!
  for _ in $(seq 100); do
    [[ -e $work/trains.0 && -e $work/trains.1 ]] && return
    sleep 0.1
  done
  fail "the ranks did not start"
}

fresh ok
run || fail "a run that ends well gave exit code $?"
started 1
[[ $(cat "$work/arguments") == "pretrain run.yaml run.steps=5" ]] || fail "arguments: $(cat "$work/arguments")"
grep -q '^NCCL_DEBUG=WARN$' "$work/environment" || fail "NCCL_DEBUG does not reach the ranks"

fresh refuse
run
[[ $? == 2 ]] || fail "exit 2 of the program was not handed on"
started 1

fresh progress-crash crash ok
run || fail "a run that crashed and went on gave exit code $?"
started 3
said 'SIGKILL'
said 'newest checkpoint: step-00000001'
said 'goes on from step-00000001'
said 'the watchdog saw rank 1 stop'

fresh crash crash crash crash ok
run
[[ $? == 1 ]] || fail "giving up has exit code 1"
started 4
said 'giving up: 3 restarts'
said 'in 0.4 s'

# A new checkpoint starts the count anew: six crashes, never more than three in a row without one.
fresh crash progress-crash crash progress-crash crash crash ok
run || fail "it gave up although there was progress: exit code $?"
started 7

fresh train
start_training
kill -TERM "$supervisor"
kill -TERM "$supervisor" 2>/dev/null
wait "$supervisor"
code=$?
[[ $code == 75 ]] || fail "TERM gave exit code $code, not 75"
started 1
said 'TERM: asking the run to stop'

fresh train
start_training
kill -USR1 "$supervisor"
wait "$supervisor"
code=$?
[[ $code == 75 ]] || fail "USR1 gave exit code $code, not 75"

# A stop while it waits for the next start.
fresh crash ok
bash launch/run.sh -n 2 --backoff 30 -- pretrain run.yaml >"$work/log" 2>&1 &
supervisor=$!
for _ in $(seq 100); do grep -q 'restart 1 in 30 s' "$work/log" && break; sleep 0.1; done
kill -TERM "$supervisor"
wait "$supervisor"
code=$?
[[ $code == 75 ]] || fail "a stop between two starts gave exit code $code, not 75"
started 1

# An mpirun that never ends, as one whose other host is gone, is ended once a rank has given up.
mkdir "$work/bin"
cat >"$work/bin/mpirun" <<'FAKE'
#!/usr/bin/env bash
trap '' TERM
work=$(dirname "$0")/..
mkdir -p "$work/run/ranks"
echo "the watchdog saw rank 1 stop" >"$work/run/ranks/crash-rank-0.txt"
while :; do sleep 1; done
FAKE
chmod +x "$work/bin/mpirun"
fresh crash
PATH=$work/bin:$PATH timeout 60 bash launch/run.sh -n 2 --restarts 0 -- pretrain run.yaml >"$work/log" 2>&1
code=$?
[[ $code == 1 ]] || fail "an mpirun that never ends gave exit code $code, not 1"
said "mpirun has not ended 20 s after a rank gave up"

refused() {
  bash launch/run.sh "$@" >"$work/log" 2>&1
  local code=$?
  [[ $code == 2 ]] || fail "'$*' gave exit code $code, not 2"
}
refused -- pretrain run.yaml
refused -n zero -- pretrain run.yaml
refused -n 2
refused -n 2 --hosts "$work/absent" -- pretrain run.yaml
SEXTANT=$work/absent refused -n 2 -- pretrain run.yaml
bash launch/run.sh --help | grep -q 'exit 75' || fail "--help does not explain exit 75"
echo "run.sh: stops, restarts, gives up and refuses as it should"
