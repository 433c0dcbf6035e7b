# What `sextant plan` foretells of a layout's memory is what a run then takes; what fits nowhere is refused.
. "$(dirname "$0")/../harness/scene.sh"
# Weights, activations and gradients that weigh something beside the program itself.
shape=(model.layers=4 model.width=512 model.heads=8 model.kv_heads=8 model.ffn_width=1536 model.context=128
  run.global_batch=8 run.micro_batch=2 run.checkpoint_every=0)

plan() { ranks "$1" plan "$run" "${shape[@]}" "${@:2}"; }

# compare NAME RANKS OVERRIDES...: the plan's bytes beside those of the run's last line. How many sums two ranks have under
# way at one time depends on what else the cores do (5 % of these small models; tests/bench/train/plan.py on quiet ones).
compare() {
  local name=$1 n=$2
  shift 2
  plan "$n" "$@" --only --json >"$work/$name.json" 2>"$work/log" || fail "plan $name: $(cat "$work/log")"
  ranks "$n" pretrain "$run" run.folder="$work/$name" "${shape[@]}" run.steps=4 "$@" >"$work/log" 2>&1 ||
    fail "$name: $(tail -n 1 "$work/log")"
  /usr/bin/python3 - "$name" "$n" "$work/$name.json" "$work/$name/metrics.jsonl" <<'PYTHON' || fail "$name"
import json, sys
name, ranks, plan, metrics = sys.argv[1:]
layout = json.load(open(plan))["layouts"][0]
assert layout["rehearsed"] and layout["fits"] and layout["step_seconds"] > 0, layout
foretold = layout["memory_bytes"]["total"]
came = [json.loads(line) for line in open(metrics)][-1]["memory_bytes"]
print(f"{name}: {foretold / 2**20:.0f} MiB foretold, {came / 2**20:.0f} came ({100 * foretold / came - 100:+.1f} %)")
sys.exit(abs(foretold / came - 1) > (0.05 if ranks == "1" else 0.1))
PYTHON
}
compare one 1
compare data 2 numerics.compute=bf16
compare sharded 2 parallel.zero_stage=3
compare tensor 2 parallel.tensor=2
compare pipeline 2 parallel.pipeline=2 parallel.schedule=gpipe
compare recomputed 1 numerics.recompute=full numerics.compute=bf16

# Of a world that is not here: its layouts, the quickest first.
plan 1 --ranks 8 --layouts 3 >"$work/plan" 2>&1 || fail "eight ranks: $(cat "$work/plan")"
[[ $(grep -c '^[* ] data=' "$work/plan") -ge 3 ]] || fail "no three layouts: $(cat "$work/plan")"
grep -q '^\* data=4 tensor=2 ' "$work/plan" || fail "the file's layout is not marked: $(cat "$work/plan")"

# By figures alone, on processors that are not here.
ranks 1 plan "$run" model.layers=80 model.width=8192 model.heads=64 model.kv_heads=8 model.ffn_width=28672 --ranks 64 --ranks-on-machine 8 \
  run.global_batch=64 run.micro_batch=1 --memory 80 --peak 989 --machine-bandwidth 300 --bandwidth 50 >"$work/plan" 2>&1 ||
  fail "by figures: $(cat "$work/plan")"
grep -q 'estimated: 989 TFLOP/s' "$work/plan" || fail "by figures: $(cat "$work/plan")"

plan 1 --memory 0.01 >"$work/plan" 2>"$work/log"
[[ $? == 2 ]] || fail "what does not fit is not refused"
grep -q 'nothing fits: the least that a rank needs is' "$work/log" || fail "refused without the numbers: $(cat "$work/log")"
plan 2 --ranks 1 >"$work/log" 2>&1
[[ $? == 2 ]] || fail "more players than ranks are not refused"
plan 1 parallel.tensor=3 --ranks 3 >"$work/log" 2>&1
[[ $? == 2 ]] || fail "a layout that can not be is not refused"
grep -q 'parallel.tensor' "$work/log" || fail "refused without the key: $(cat "$work/log")"
echo "plan: memory as foretold"
