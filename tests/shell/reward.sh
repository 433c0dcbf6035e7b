# A reward model as a user trains one: from a checkpoint of a model of text, accuracy and calibration told and written
# down; interrupted and started again it ends with the same bits; bad preferences are named.
. "$(dirname "$0")/../harness/scene.sh"

ranks 1 pretrain "$run" run.steps=10 run.folder="$work/base" >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
lines = [json.dumps({"prompt": "say %d" % i, "chosen": "yes %d" % i, "rejected": "no no %d" % i}) for i in range(80)]
open(sys.argv[1] + "/pairs.jsonl", "w").write("\n".join(lines))
PYTHON
reward=$work/reward.yaml
cat >"$reward" <<YAML
run: {start_from: $work/base, steps: 30, seed: 3, global_batch: 8, micro_batch: 2, checkpoint_every: 10, log_every: 1,
      evaluate_every: 10}
model: {context: 128}
optimizer: {learning_rate: 3e-3}
data: {tokenizer: $work/tok.json}
reward: {train: [$work/pairs.jsonl], valid_fraction: 0.25}
YAML

ranks 2 reward "$reward" run.folder="$work/whole" >"$work/log" 2>&1 || fail "reward: $(tail -n 3 "$work/log")"
grep -q "conversations: 80 conversations, chat template plain; 20 of them held out" "$work/log" || fail "the start: $(cat "$work/log")"
grep -q "held out: accuracy .* on 20 pairs" "$work/log" || fail "accuracy is not told: $(cat "$work/log")"
grep -q "demonstrations scored .* on average" "$work/log" || fail "the bias is not told"
/usr/bin/python3 - "$work/whole" <<'PYTHON' || fail "the metrics are not right"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1] + "/metrics.jsonl")]
measured = [line for line in lines if "accuracy" in line]
print([(line["accuracy"], line["calibration_error"], line["valid_loss"]) for line in measured])
assert len(measured) == 3 and measured[-1]["accuracy"] > 0.9 and measured[-1]["pairs"] == 20
PYTHON

ranks 2 reward "$reward" run.folder="$work/stop" run.stop_at=13 >"$work/log" 2>&1 || fail "stop_at"
ranks 2 reward "$reward" run.folder="$work/stop" >"$work/log" 2>&1 || fail "going on: $(tail -n 1 "$work/log")"
[[ $(sha "$work/stop") == "$(sha "$work/whole")" ]] || fail "weights differ after going on"

ranks 2 reward "$reward" run.folder="$work/context" run.steps=2 parallel.data=1 parallel.context=2 >"$work/log" 2>&1 ||
  fail "context ranks: $(tail -n 1 "$work/log")"
diff <(losses "$work/whole" | head -n 1 | cut -c1-8) <(losses "$work/context" | head -n 1 | cut -c1-8) || fail "context ranks"

# refused WHAT EXPECTED ARGUMENTS...: exit 2 and one message that says so.
refused() {
  local what=$1 expected=$2
  shift 2
  ranks 2 reward "$reward" run.folder="$work/refused" "$@" >"$work/log" 2>&1
  [[ $? == 2 ]] || fail "$what: exit code is not 2: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
}
echo '{"prompt": "p", "responses": ["a", "b"], "ranks": [1, 1]}' >"$work/tied.jsonl"
refused "ties alone" "tied.jsonl:1: all answers have the same rank" "reward.train=[$work/tied.jsonl]"
: >"$work/empty.jsonl"
refused "no preferences" "nothing to compare" "reward.train=[$work/empty.jsonl]"
refused "samples" "a reward model writes no text" 'run.sample_prompts=[a]'
echo "reward: learns, goes on to the bit, names bad preferences"
