# GRPO and RLOO as a user runs them: no value model; the reward rises; what is forgotten is measured; stopped and started
# again it ends with the same bits; ranks agree; what does not fit together is told at the start.
. "$(dirname "$0")/../harness/scene.sh"

ranks 1 pretrain "$run" run.steps=40 model.context=48 run.folder="$work/base" >"$work/log" 2>&1 ||
  fail "pretrain: $(tail -n 1 "$work/log")"
/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
with open(sys.argv[1] + "/chat.jsonl", "w") as file:
    for i in range(60):
        file.write(json.dumps({"prompt": "say %d" % i, "response": ["Yes.", "no", "well"][i % 3]}) + "\n")
PYTHON
cat >"$work/rubric.yaml" <<YAML
rules:
  - {name: full_stop, kind: regex, pattern: "[.]", reward: 1}
  - {name: short, kind: words, least: 1, most: 4, reward: 0.5}
YAML
cat >"$work/sft.yaml" <<YAML
run: {start_from: $work/base, steps: 40, global_batch: 8, micro_batch: 4, checkpoint_every: 40}
optimizer: {learning_rate: 3e-3}
data: {tokenizer: $work/tok.json}
supervised: {train: [$work/chat.jsonl]}
YAML
ranks 1 sft "$work/sft.yaml" run.folder="$work/sft" >"$work/log" 2>&1 || fail "sft: $(tail -n 3 "$work/log")"
grpo=$work/grpo.yaml
cat >"$grpo" <<YAML
run: {start_from: $work/sft, steps: 12, seed: 3, global_batch: 8, micro_batch: 4, checkpoint_every: 4, log_every: 1,
      evaluate_every: 6, evaluate_sequences: 8}
optimizer: {learning_rate: 1e-3, warmup_steps: 0, schedule: constant, weight_decay: 0}
data: {tokenizer: $work/tok.json, valid: [$work/train_valid]}
rewards: {rubric: $work/rubric.yaml, missing_end_penalty: 0.5}
ppo: {prompts: [$work/chat.jsonl], advantages: group, episodes: 16, answers_per_prompt: 4, response_tokens: 12, epochs: 2,
      mean: answers, kl: {place: loss, estimator: k3, coefficient: 0.04, control: adaptive, target: 2, horizon: 100}}
YAML
ranks 1 grpo "$grpo" run.folder="$work/whole" >"$work/log" 2>&1 || fail "grpo: $(tail -n 3 "$work/log")"
/usr/bin/python3 - "$work/whole" <<'PYTHON' || fail "metrics.jsonl or samples.jsonl"
import json, math, sys
lines = [json.loads(line) for line in open(sys.argv[1] + "/metrics.jsonl")]
assert [d["step"] for d in lines] == list(range(1, 13))
for name in ("reward", "kl", "entropy", "clip_fraction", "response_length", "equal_groups", "reward_full_stop", "kl_coefficient"):
    assert all(math.isfinite(d[name]) for d in lines), name
assert not any(name.startswith("value_") for d in lines for name in d)
assert [d["step"] for d in lines if "valid_loss" in d] == [6, 12] and "valid_loss_rise" in lines[5]
mean = lambda some: sum(d["reward"] for d in some) / len(some)
print("reward", mean(lines[:3]), "->", mean(lines[-3:]), "held-out loss", lines[-1]["valid_loss_rise"])
assert mean(lines[-3:]) > mean(lines[:3])
samples = [json.loads(line) for line in open(sys.argv[1] + "/samples.jsonl")]
assert len(samples) == 48 and len({line["prompt"] for line in samples[:4]}) == 1, samples[:4]
PYTHON

ranks 1 grpo "$grpo" run.folder="$work/stop" run.stop_at=5 >"$work/log" 2>&1 || fail "stop_at"
ranks 1 grpo "$grpo" run.folder="$work/stop" >"$work/log" 2>&1 || fail "going on: $(tail -n 1 "$work/log")"
[[ $(sha "$work/stop") == "$(sha "$work/whole")" ]] || fail "weights differ after going on"

# The other advantages, the divergence in the reward, the constant length.
for advantages in leave_one_out group_mean; do
  ranks 1 grpo "$grpo" run.folder="$work/$advantages" run.steps=2 ppo.advantages=$advantages ppo.kl.place=reward ppo.mean=constant \
    >"$work/log" 2>&1 || fail "$advantages: $(tail -n 3 "$work/log")"
done

# Two ranks draw the same answers of the first step, by data as by tensor; fp32 rounds otherwise after that.
for axis in data tensor; do
  ranks 2 grpo "$grpo" run.folder="$work/$axis" run.steps=1 parallel.$axis=2 >"$work/log" 2>&1 || fail "$axis: $(tail -n 3 "$work/log")"
  /usr/bin/python3 - "$work" "$axis" <<'PYTHON' || fail "two ranks by $axis"
import json, sys
one, two = (json.loads(open("%s/%s/metrics.jsonl" % (sys.argv[1], name)).readline()) for name in ("whole", sys.argv[2]))
for name in ("reward", "loss", "grad_norm", "entropy", "response_length"):
    assert abs(one[name] - two[name]) <= 1e-4 * (1 + abs(one[name])), (name, one[name], two[name])
PYTHON
done

# refused WHAT EXPECTED COMMAND ARGUMENTS...: exit 2 and one message that says so.
refused() {
  local what=$1 expected=$2 command=$3
  shift 3
  ranks 1 "$command" "$grpo" "$@" >"$work/log" 2>&1
  [[ $? == 2 ]] || fail "$what: exit code is not 2: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
}
refused "groups by ppo" "run .sextant grpo. with this file" ppo
refused "values by grpo" "run .sextant ppo" grpo ppo.advantages=generalised
refused "groups of one" "compares answers to the same prompt" grpo ppo.answers_per_prompt=1
refused "groups that do not fit" "no multiple of ppo.answers_per_prompt" grpo ppo.answers_per_prompt=3
refused "k1 in the loss" "k1 is 0 on average" grpo ppo.kl.estimator=k1
refused "a checkpoint without values" "made without a value model" ppo run.folder="$work/stop" run.steps=13 \
  ppo.advantages=generalised
echo "grpo: reward rises without values, goes on to the bit, ranks agree"
