# Interrupted in every way and started again, a run ends with the weights and the losses of an uninterrupted one.
. "$(dirname "$0")/../harness/scene.sh"

ranks 2 pretrain "$run" run.folder="$work/whole" >"$work/log" 2>&1 || fail "plain run: $(tail -n 1 "$work/log")"
want=$(sha "$work/whole")
losses "$work/whole" >"$work/want"
[[ $(wc -l <"$work/want") == 60 ]] || fail "metrics.jsonl has not a line a step"

same() { # FOLDER WHAT
  [[ $(sha "$1") == "$want" ]] || fail "$2: weights differ: $(sha "$1"), not $want"
  losses "$1" | diff "$work/want" - || fail "$2: losses differ"
}

# Stopped at a step, in good order.
ranks 2 pretrain "$run" run.folder="$work/stop" run.stop_at=27 >"$work/log" 2>&1 || fail "stop_at"
[[ $(sha "$work/stop") == 27\ * ]] || fail "stop_at left no checkpoint of step 27"
ranks 2 pretrain "$run" run.folder="$work/stop" >"$work/log" 2>&1 || fail "going on after stop_at"
same "$work/stop" "stop_at"
ranks 2 pretrain "$run" run.folder="$work/stop" >"$work/log" 2>&1 || fail "a start of a finished run"
grep -q "nothing left to do" "$work/log" || fail "a finished run does not say so"

# wait_for_step FOLDER N: until the run has written down step N.
wait_for_step() {
  for _ in $(seq 600); do
    grep -q "\"step\": $2," "$1/metrics.jsonl" 2>/dev/null && return
    sleep 0.1
  done
  fail "step $2 never came"
}

for kind in KILL USR1; do
  folder=$work/$kind
  ranks 2 pretrain "$run" run.folder="$folder" >"$work/log" 2>&1 &
  job=$!
  wait_for_step "$folder" 13
  # One rank is killed; a wish to stop goes to mpirun, which passes it on.
  if [[ $kind == KILL ]]; then
    pkill -KILL -n -f "^$sextant pretrain .*run.folder=$folder" || echo "the run was over before the signal"
  else
    pkill -USR1 -f "^mpirun .*run.folder=$folder" || echo "the run was over before the signal"
  fi
  wait "$job"
  code=$?
  if [[ $kind == USR1 && $(sha "$folder") != 60\ * ]]; then
    [[ $code == 75 ]] || fail "USR1: exit code $code, not 75"
  fi
  ranks 2 pretrain "$run" run.folder="$folder" >"$work/log" 2>&1 || fail "going on after $kind: $(tail -n 1 "$work/log")"
  same "$folder" "$kind"
done

# Shared-out gradients that come in parts (the loss's chunks) and twice (a tied embedding) are summed in a first step as in
# any other: else a start would round otherwise than going on.
for zero in 2 3; do
  shared=(run.steps=6 run.checkpoint_every=3 run.micro_batch=2 model.tied_embeddings=true numerics.loss_chunk=48
          parallel.zero_stage=$zero)
  ranks 2 pretrain "$run" run.folder="$work/zero" "${shared[@]}" >"$work/log" 2>&1 || fail "ZeRO $zero: $(tail -n 1 "$work/log")"
  ranks 2 pretrain "$run" run.folder="$work/again" "${shared[@]}" run.stop_at=3 >"$work/log" 2>&1 || fail "ZeRO $zero to step 3"
  ranks 2 pretrain "$run" run.folder="$work/again" "${shared[@]}" >"$work/log" 2>&1 || fail "ZeRO $zero from step 3 on"
  [[ $(sha "$work/zero") == "$(sha "$work/again")" ]] || fail "ZeRO $zero: an interrupted run ends with other weights"
  rm -r "$work/zero" "$work/again"
done

# A save that died half-way is never taken for a checkpoint.
mkdir -p "$work/stop/checkpoints/.saving-step-00000099"
ranks 1 checkpoint verify "$work/stop" >/dev/null 2>&1 || fail "verify after a dead save"

# One rank and four give the losses of two, to rounding (the order of sums differs).
for n in 1 4; do
  ranks "$n" pretrain "$run" run.folder="$work/n$n" run.steps=10 run.checkpoint_every=0 optimizer.warmup_steps=1 \
    numerics.compute=fp64 >"$work/log" 2>&1 || fail "$n ranks: $(tail -n 1 "$work/log")"
done
ranks 2 pretrain "$run" run.folder="$work/n2" run.steps=10 run.checkpoint_every=0 optimizer.warmup_steps=1 \
  numerics.compute=fp64 >"$work/log" 2>&1 || fail "2 ranks in fp64"
/usr/bin/python3 - "$work" <<'PYTHON' || fail "ranks disagree"
import json, sys
read = lambda n: [json.loads(line)["loss"] for line in open(f"{sys.argv[1]}/n{n}/metrics.jsonl")]
one = read(1)
assert len(one) == 10
for n in (2, 4):
    worst = max(abs(a - b) / a for a, b in zip(one, read(n)))
    print(f"{n} ranks: worst relative difference {worst:.1e}")
    assert worst < 1e-12, n
PYTHON
echo "resume: all ends are equal"
