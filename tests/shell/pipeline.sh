# A pipeline of any schedule, cut and number of ranks gives one rank's losses, held-out loss, samples and weights, and
# goes on from what another one saved.
. "$(dirname "$0")/../harness/scene.sh"
cat >>"$run" <<YAML
numerics: {compute: fp32, reduction: reproducible}
YAML
base=(model.layers=6 model.width=32 run.steps=12 run.checkpoint_every=6 run.evaluate_every=6 run.micro_batch=1
  "run.sample_prompts=[The, a rank]" run.sample_tokens=6)

train() { # RANKS FOLDER OVERRIDES...
  local n=$1 folder=$work/$2
  shift 2
  ranks "$n" pretrain "$run" run.folder="$folder" "${base[@]}" "$@" >"$work/log" 2>&1 || fail "$folder: $(tail -n 1 "$work/log")"
}
valid() { grep -o '"valid_loss": [0-9.e-]*' "$1/metrics.jsonl"; }
same_training() { # FOLDER
  [[ $(sha "$work/$1") == "$want" ]] || fail "$1: weights differ: $(sha "$work/$1"), not $want"
  losses "$work/$1" | diff "$work/want" - || fail "$1: losses differ"
}
same() { # FOLDER
  same_training "$1"
  diff <(valid "$work/one") <(valid "$work/$1") || fail "$1: held-out losses differ"
  diff "$work/one/samples.jsonl" "$work/$1/samples.jsonl" || fail "$1: samples differ"
}

train 1 one
want=$(sha "$work/one")
losses "$work/one" >"$work/want"
[[ $(wc -l <"$work/want") == 12 && $(valid "$work/one" | wc -l) == 2 ]] || fail "metrics.jsonl is not whole"

train 2 plain parallel.pipeline=2
same plain
train 3 by_hand parallel.pipeline=3 "parallel.stage_layers=[1, 3, 2]" parallel.schedule=zero_bubble
same by_hand
train 4 data parallel.pipeline=2 parallel.data=2 parallel.schedule=interleaved parallel.zero_stage=1
same data

# Saved by two ranks, gone on by three in a V, ended by one.
train 2 moving parallel.pipeline=2 parallel.schedule=gpipe run.stop_at=4
train 3 moving parallel.pipeline=3 parallel.schedule=zero_bubble_v run.stop_at=9
train 1 moving
same_training moving

# Both ends hold a tied embedding.
base+=(model.kind=gpt2 model.kv_heads=4)
train 1 one_tied
want=$(sha "$work/one_tied")
train 3 tied parallel.pipeline=3
[[ $(sha "$work/tied") == "$want" ]] || fail "tied: weights differ"

"$sextant" schedule "$run" "${base[@]}" parallel.pipeline=2 parallel.schedule=zero_bubble --microbatches 3 >"$work/drawn" ||
  fail "schedule"
grep -q '^rank 1   .  F0 I0 F1 I1 W0 F2 I2 W1 W2$' "$work/drawn" || fail "the schedule is not as expected: $(cat "$work/drawn")"
ranks 3 pretrain "$run" run.folder="$work/refused" "${base[@]}" parallel.pipeline=3 "parallel.stage_layers=[1, 3]" >"$work/log" 2>&1
[[ $? == 2 ]] || fail "a wrong cut is not refused"
grep -q "parallel.stage_layers: 2 numbers for 3 stages" "$work/log" || fail "refused without a reason: $(cat "$work/log")"
echo "pipeline: all ends are equal"
