# PPO as a user runs it: from a fine-tuned checkpoint, with a rubric; the reward rises; stopped and started again it ends
# with the same bits; ranks share the episodes; what is wrong is told at the start.
. "$(dirname "$0")/../harness/scene.sh"

ranks 1 pretrain "$run" run.steps=40 model.context=48 run.folder="$work/base" >"$work/log" 2>&1 ||
  fail "pretrain: $(tail -n 1 "$work/log")"
cp "$work/tok.json" "$work/base/tokenizer.json"
/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
with open(sys.argv[1] + "/chat.jsonl", "w") as file:
    for i in range(60):
        file.write(json.dumps({"prompt": "say %d" % i, "response": ["Yes.", "no", "well"][i % 3], "class": "ab"[i % 2]}) + "\n")
PYTHON
cat >"$work/rubric.yaml" <<YAML
rules:
  - {name: full_stop, kind: regex, pattern: "[.]", reward: 1}
  - {name: short, kind: words, least: 1, most: 4, reward: 0.5, classes: [a]}
YAML
common="tokenizer: $work/base, train: [$work/train]"
cat >"$work/sft.yaml" <<YAML
run: {start_from: $work/base, steps: 40, global_batch: 8, micro_batch: 4, checkpoint_every: 40}
optimizer: {learning_rate: 3e-3}
data: {$common}
supervised: {train: [$work/chat.jsonl]}
YAML
ranks 1 sft "$work/sft.yaml" run.folder="$work/sft" >"$work/log" 2>&1 || fail "sft: $(tail -n 3 "$work/log")"
ppo=$work/ppo.yaml
cat >"$ppo" <<YAML
run: {start_from: $work/sft, steps: 12, seed: 3, global_batch: 8, micro_batch: 4, checkpoint_every: 4, log_every: 1}
optimizer: {learning_rate: 1e-3, warmup_steps: 0, schedule: constant, weight_decay: 0}
data: {$common}
rewards: {rubric: $work/rubric.yaml, missing_end_penalty: 0.5}
ppo: {prompts: [$work/chat.jsonl], episodes: 16, response_tokens: 12, epochs: 2, value_learning_rate: 1e-3,
      kl: {control: adaptive, target: 2, horizon: 100}, pretraining: {rows_per_episode: 1, coefficient: 0.1}}
YAML
ranks 1 ppo "$ppo" run.folder="$work/whole" >"$work/log" 2>&1 || fail "ppo: $(tail -n 3 "$work/log")"
/usr/bin/python3 - "$work/whole" <<'PYTHON' || fail "metrics.jsonl or samples.jsonl"
import json, math, sys
lines = [json.loads(line) for line in open(sys.argv[1] + "/metrics.jsonl")]
assert [d["step"] for d in lines] == list(range(1, 13))
for name in ("reward", "kl", "entropy", "clip_fraction", "response_length", "value_loss", "reward_full_stop", "reward_short",
             "reward_missing_end", "kl_coefficient"):
    assert all(math.isfinite(d[name]) for d in lines), name
assert abs(lines[0]["kl"]) < 1e-4, lines[0]["kl"]
mean = lambda some: sum(d["reward"] for d in some) / len(some)
print("reward", mean(lines[:3]), "->", mean(lines[-3:]))
assert mean(lines[-3:]) > mean(lines[:3])
samples = [json.loads(line) for line in open(sys.argv[1] + "/samples.jsonl")]
assert len(samples) == 48 and "full_stop" in samples[0]["sources"], samples[0]
PYTHON

# Stopped and gone on with, the bits are those of the whole run: policy, value model, average, coefficient.
ranks 1 ppo "$ppo" run.folder="$work/stop" run.stop_at=5 >"$work/log" 2>&1 || fail "stop_at"
ranks 1 ppo "$ppo" run.folder="$work/stop" >"$work/log" 2>&1 || fail "going on: $(tail -n 1 "$work/log")"
[[ $(sha "$work/stop") == "$(sha "$work/whole")" ]] || fail "weights differ after going on"
numbers() {
  /usr/bin/python3 -c 'import json, sys
for line in open(sys.argv[1]):
    d = json.loads(line); print(*[repr(d[k]) for k in ("step", "tokens", "loss", "reward", "kl", "value_loss", "kl_coefficient")])' "$1/metrics.jsonl"
}
numbers "$work/whole" >"$work/want"
numbers "$work/stop" | diff "$work/want" - || fail "numbers differ after going on"

# The reward model is the step folder that was there at the first start; what was changed since is said.
/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
with open(sys.argv[1] + "/pairs.jsonl", "w") as file:
    for i in range(40):
        file.write(json.dumps({"prompt": "say %d" % i, "chosen": "Yes.", "rejected": "no"}) + "\n")
PYTHON
cat >"$work/reward.yaml" <<YAML
run: {start_from: $work/sft, steps: 4, global_batch: 8, micro_batch: 4, checkpoint_every: 4}
data: {$common}
reward: {train: [$work/pairs.jsonl]}
YAML
ranks 1 reward "$work/reward.yaml" run.folder="$work/reward" >"$work/log" 2>&1 || fail "reward: $(tail -n 3 "$work/log")"
scored=(rewards.model="$work/reward" run.checkpoint_every=2)
ranks 1 ppo "$ppo" run.folder="$work/scored" "${scored[@]}" run.steps=4 >"$work/log" 2>&1 || fail "ppo: $(tail -n 3 "$work/log")"
ranks 1 ppo "$ppo" run.folder="$work/pinned" "${scored[@]}" run.steps=4 run.stop_at=2 >"$work/log" 2>&1 || fail "ppo to step 2"
ranks 1 reward "$work/reward.yaml" run.folder="$work/reward" run.steps=8 >"$work/log" 2>&1 || fail "reward goes on"
ranks 1 ppo "$ppo" run.folder="$work/pinned" "${scored[@]}" run.steps=4 >"$work/log" 2>&1 || fail "going on: $(tail -n 1 "$work/log")"
[[ $(sha "$work/scored") == "$(sha "$work/pinned")" ]] || fail "a reward model that was trained on changed the run"
ranks 1 ppo "$ppo" run.folder="$work/pinned" "${scored[@]}" run.steps=5 ppo.clip=0.1 >"$work/log" 2>&1 || fail "another clip"
grep -q "changed since then: ppo.clip: 0.2 -> 0.1" "$work/log" || fail "a changed setting is not told: $(cat "$work/log")"

# Two ranks draw the same answers of the first step, by whichever axis; fp32 rounds otherwise after that.
for axis in data tensor pipeline context; do
  ranks 2 ppo "$ppo" run.folder="$work/$axis" run.steps=2 parallel.$axis=2 >"$work/log" 2>&1 || fail "$axis: $(tail -n 3 "$work/log")"
  /usr/bin/python3 - "$work" "$axis" <<'PYTHON' || fail "two ranks by $axis"
import json, sys
one, two = (json.loads(open("%s/%s/metrics.jsonl" % (sys.argv[1], name)).readline()) for name in ("whole", sys.argv[2]))
for name in ("reward", "loss", "value_loss", "grad_norm", "entropy", "response_length"):
    assert abs(one[name] - two[name]) <= 1e-4 * (1 + abs(one[name])), (name, one[name], two[name])
PYTHON
done

# refused WHAT EXPECTED ARGUMENTS...: exit 2 and one message that says so.
refused() {
  local what=$1 expected=$2
  shift 2
  ranks 1 ppo "$ppo" run.folder="$work/refused" "$@" >"$work/log" 2>&1
  [[ $? == 2 ]] || fail "$what: exit code is not 2: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
}
printf 'rules: [{name: x, kind: regex, pattern: "("}]\n' >"$work/bad.yaml"
printf 'rules: [{name: same, kind: characters, least: 0}]\n' >"$work/equal.yaml"
printf '{"prompt": "p"}\n{"question": "p"}\n' >"$work/bad.jsonl"
refused "a bad pattern" "is wrong at character" rewards.rubric="$work/bad.yaml"
refused "equal scores" "nothing can be learnt from equal scores" rewards.rubric="$work/equal.yaml" rewards.missing_end_penalty=0
refused "a bad line" "bad.jsonl:2" "ppo.prompts=[$work/bad.jsonl]"
refused "prompts that are too long" "no prompt is left" ppo.response_tokens=47
refused "a reward model that gives no score" "predicts tokens" rewards.model="$work/sft"
refused "blocks that the reference has not" "computed without blocks" numerics.reduction=reproducible numerics.tensor_blocks=2
refused "episodes that do not fit" "no multiple of run.global_batch" ppo.episodes=12
echo "ppo: reward rises, goes on to the bit, ranks agree"
