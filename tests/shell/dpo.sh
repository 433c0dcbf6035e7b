# DPO as a user runs it: from a checkpoint that stays the reference; accuracy and implied rewards told and written down;
# interrupted and started again it ends with the same bits, also when what it started from was trained on since.
. "$(dirname "$0")/../harness/scene.sh"

base=(pretrain "$run" run.folder="$work/base")
ranks 1 "${base[@]}" run.steps=10 >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
lines = [json.dumps({"prompt": "say %d" % i, "chosen": "yes %d" % i, "rejected": "no no %d" % i}) for i in range(80)]
open(sys.argv[1] + "/pairs.jsonl", "w").write("\n".join(lines))
PYTHON
dpo=$work/dpo.yaml
cat >"$dpo" <<YAML
run: {start_from: $work/base, steps: 30, seed: 3, global_batch: 8, micro_batch: 2, checkpoint_every: 10, log_every: 1,
      evaluate_every: 10, sample_prompts: [say 3], sample_tokens: 8}
model: {context: 128}
optimizer: {learning_rate: 3e-3, warmup_steps: 0}
data: {tokenizer: $work/tok.json}
dpo: {train: [$work/pairs.jsonl], valid_fraction: 0.25}
YAML

ranks 2 dpo "$dpo" run.folder="$work/whole" >"$work/log" 2>&1 || fail "dpo: $(tail -n 3 "$work/log")"
grep -q "starting from the weights of $work/base/checkpoints/step-00000010" "$work/log" || fail "the start: $(cat "$work/log")"
grep -q "held out: accuracy .* on 20 pairs" "$work/log" || fail "accuracy is not told: $(cat "$work/log")"
/usr/bin/python3 - "$work/whole" <<'PYTHON' || fail "the metrics are not right"
import json, math, sys
lines = [json.loads(line) for line in open(sys.argv[1] + "/metrics.jsonl")]
# Before the first update policy and reference are the same: fp32 rounds a sum over some tokens.
assert abs(lines[0]["loss"] - math.log(2)) < 1e-5, lines[0]["loss"]
measured = [line for line in lines if "accuracy" in line]
print([(line["accuracy"], line["chosen_reward"], line["rejected_reward"], line["valid_loss"]) for line in measured])
assert len(measured) == 3 and measured[-1]["accuracy"] > 0.9 and measured[-1]["pairs"] == 20
assert measured[-1]["valid_loss"] < 0.5 and measured[-1]["reward_margin"] > 0.5
PYTHON

ranks 2 dpo "$dpo" run.folder="$work/stop" run.stop_at=13 >"$work/log" 2>&1 || fail "stop_at"
ranks 1 "${base[@]}" run.steps=20 >"$work/log" 2>&1 || fail "pretraining goes on"
ranks 2 dpo "$dpo" run.folder="$work/stop" >"$work/log" 2>&1 || fail "going on: $(tail -n 1 "$work/log")"
grep -q "going on from" "$work/log" || fail "did not go on: $(cat "$work/log")"
[[ $(sha "$work/stop") == "$(sha "$work/whole")" ]] || fail "weights differ after going on"

ranks 1 dpo "$dpo" run.folder="$work/ipo" run.steps=2 dpo.loss=ipo parallel.data=1 >"$work/log" 2>&1 || fail "ipo: $(cat "$work/log")"

ranks 2 dpo "$dpo" run.folder="$work/context" run.steps=2 parallel.data=1 parallel.context=2 >"$work/log" 2>&1 ||
  fail "context ranks: $(tail -n 1 "$work/log")"
diff <(losses "$work/whole" | head -n 1 | cut -c1-8) <(losses "$work/context" | head -n 1 | cut -c1-8) || fail "context ranks"

# refused WHAT EXPECTED ARGUMENTS...: exit 2 and one message that says so.
refused() {
  local what=$1 expected=$2
  shift 2
  ranks 2 dpo "$dpo" run.folder="$work/refused" "$@" >"$work/log" 2>&1
  [[ $? == 2 ]] || fail "$what: exit code is not 2: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
}
echo '{"prompt": "p", "responses": ["a", "b"], "ranks": [1, 1]}' >"$work/tied.jsonl"
refused "ties alone" "tied.jsonl:1: all answers have the same rank" "dpo.train=[$work/tied.jsonl]"
refused "a scalar head" "a policy has words to say" model.head=scalar
sed 's/start_from: [^,]*, //' "$dpo" >"$work/nowhere.yaml"
dpo=$work/nowhere.yaml
refused "no reference" "run.start_from" run.steps=3
echo "dpo: learns, goes on to the bit with its reference, names bad preferences"
