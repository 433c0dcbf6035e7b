#!/usr/bin/env bash
# From a fresh clone to a small language model trained on real text, and taught to answer. Started again it does only what is left.
set -euo pipefail

usage() {
  cat <<'TEXT'
launch/quickstart.sh

  1. sets up and builds, and brings SmolLM2-135M-Instruct, which reads answers in 6 and 7 (launch/setup.sh --with-judge)
  2. trains a tokenizer on the text of a dictionary and encodes it into token shards
  3. pretrains a small Llama on two ranks, stops half-way and goes on from the checkpoint
  4. fine-tunes it on conversations of prompts/: to answer, and to refuse what it should
  5. trains a reward model over it on comparisons of answers
  6. trains it further by that and by a rubric, with PPO
  7. asks before PPO and after what is disallowed, sensitive and harmless, and counts what they answer
  8. measures both models: perplexity of held-out entries, choice of the best answer, calibration
  9. shows what the models write, how well answers are told apart and what PPO changed, writes all of it into one page,
     runs/quickstart/report.html, and says where everything is

Fifteen to twenty-five minutes on two quiet cores the first time. Everything goes to runs/quickstart; remove that folder
to begin anew. The text is the GNU Collaborative International Dictionary of English, which Debian ships as dict-gcide (GPL).

  QUICKSTART_TEXT       another text instead, plain or gzip, its documents beginning in the first column
TEXT
}
case ${1:-} in
  --help | -h) usage; exit 0 ;;
  '') ;;
  *) echo "launch/quickstart.sh: unknown argument '$1'" >&2; usage >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
work=runs/quickstart
sextant=build/cpu/sextant
config=configs/pretrain/quickstart.yaml
text=${QUICKSTART_TEXT:-/usr/share/dictd/gcide.dict.dz}
halfway=300

say() { printf '\n[%(%H:%M:%S)T +%ds] %s\n' -1 "$SECONDS" "$*"; }

# trained_to STAGE: the step of its newest checkpoint, 0 without one.
trained_to() {
  local newest
  newest=$(find "$work/$1/checkpoints" -maxdepth 1 -name 'step-*' -printf '%f\n' 2>/dev/null | sort | tail -n 1)
  newest=${newest:-step-0}
  echo $((10#${newest#step-}))
}

# last_step CONFIG: the steps that it asks for.
last_step() {
  "$sextant" config show --json "$1" | /usr/bin/python3 -c \
    'import json, sys; print(json.load(sys.stdin)["config"]["run"]["steps"])'
}

# align STAGE: runs its command on its quickstart configuration, unless it has come to its end.
align() {
  local stage=$1 yaml=configs/rlhf/quickstart_$1.yaml
  if (($(trained_to "$stage") < $(last_step "$yaml"))); then
    bash launch/run.sh -n 2 -- "$stage" "$yaml"
  else
    echo "$work/$stage has come to its end"
  fi
}

# sample STAGE first|last: the samples of that step.
sample() {
  /usr/bin/python3 - "$work/$1/samples.jsonl" "$2" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
step = (min if sys.argv[2] == "first" else max)(line["step"] for line in lines)
for line in lines:
    if line["step"] == step:
        print("    %s|%s" % (line["prompt"], line["text"].replace("\n", "\n    ")))
PYTHON
}

say "1 of 9: set-up and build"
bash launch/setup.sh --with-judge

say "2 of 9: tokenizer and token shards from $text"
[[ -r $text ]] || { echo "the text $text is not there; apt-get install dict-gcide, or set QUICKSTART_TEXT" >&2; exit 1; }
mkdir -p "$work"
# A dictionary entry begins in the first column; each becomes a document.
entry='^[^\s]'
if [[ -e $work/tokenizer.json ]]; then
  echo "$work/tokenizer.json is there"
else
  "$sextant" tokenizer train --vocabulary 4096 --new-document-at "$entry" --output "$work/tokenizer.json" "$text"
fi
if [[ -e $work/gcide.idx && -e $work/gcide_valid.idx ]]; then
  echo "$work/gcide.idx is there"
else
  "$sextant" data build --tokenizer "$work/tokenizer.json" --new-document-at "$entry" --valid-fraction 0.01 \
    --output "$work/gcide" "$text"
fi

say "3 of 9: pretraining on two ranks"
last=$(last_step "$config")
reached=$(trained_to pretrain)
if ((reached < halfway)); then
  bash launch/run.sh -n 2 -- pretrain "$config" run.stop_at=$halfway
  say "stopped at step $halfway on purpose; the same command goes on from its checkpoint"
fi
reached=$(trained_to pretrain)
if ((reached < last)); then
  bash launch/run.sh -n 2 -- pretrain "$config"
else
  echo "$work/pretrain has reached step $last"
fi

say "4 of 9: fine-tuning on conversations"
align sft

say "5 of 9: a reward model"
align reward

say "6 of 9: PPO, by the rubric with its judge and the reward model"
align ppo

say "7 of 9: what is answered to requests of prompts/safety.jsonl that nobody trained on, before PPO and after"
if [[ $work/safety/safety.json -nt $work/ppo/metrics.jsonl ]]; then
  echo "$work/safety/safety.json is there"
else
  bash launch/run.sh -n 2 --restarts 0 -- safety configs/rlhf/quickstart_safety.yaml
fi

say "8 of 9: an evaluation, of the model before PPO and after"
# measure STAGE FOLDER
measure() {
  if [[ -e $work/$2/results.json ]]; then
    echo "$work/$2/results.json is there"
  else
    "$sextant" eval configs/evals/quickstart.yaml eval.checkpoint="$work/$1" eval.folder="$work/$2"
  fi
}
measure sft eval_sft
measure ppo eval

say "9 of 9: what came of it"
echo "Before training (prompt|what the model went on with):"
sample pretrain first
echo "After $last steps:"
sample pretrain last
/usr/bin/python3 - "$work/pretrain/metrics.jsonl" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
held_out = [line["valid_loss"] for line in lines if "valid_loss" in line]
print("Loss %.3f -> %.3f in %d steps of %d tokens; held-out loss %.3f (nats a token)" % (
    lines[0]["loss"], lines[-1]["loss"], lines[-1]["step"], lines[-1]["tokens"] // lines[-1]["step"], held_out[-1]))
PYTHON
echo "After fine-tuning (question|answer):"
sample sft last
/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
read = lambda stage: [json.loads(line) for line in open(f"{sys.argv[1]}/{stage}/metrics.jsonl", encoding="utf-8")]
held_out = [line["valid_loss"] for line in read("sft") if "valid_loss" in line]
print("Held-out conversations: loss %.3f -> %.3f" % (held_out[0], held_out[-1]))
report = [line for line in read("reward") if "accuracy" in line][-1]
print("Reward model: takes the better answer in %.1f %% of %d held-out pairs; calibration error %.3f" % (
    100 * report["accuracy"], report["pairs"], report["calibration_error"]))
ppo = read("ppo")
fifth = max(1, len(ppo) // 5)
mean = lambda lines, name: sum(line[name] for line in lines) / len(lines)
print("PPO: reward %.3f -> %.3f (means of the first and last fifth of %d steps), KL to the start %.2f nats an answer" % (
    mean(ppo[:fifth], "reward"), mean(ppo[-fifth:], "reward"), len(ppo), mean(ppo[-fifth:], "kl")))
PYTHON
echo "After PPO (question|answer):"
/usr/bin/python3 - "$work/ppo/samples.jsonl" <<'PYTHON'
import json, sys
for line in [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")][-3:]:
    print("    %s|%s" % (line["prompt"], line["text"].strip().replace("\n", "\n    ")))
PYTHON
"$sextant" report "$work"/{pretrain,sft,reward,ppo,safety,eval_sft,eval} --output "$work/report.html" >/dev/null
cat <<TEXT

All of it in one page, for a browser: $work/report.html
The run folders are $work/{pretrain,sft,reward,ppo}: metrics.jsonl, checkpoints, samples.jsonl, TensorBoard's events,
config.yaml. $work/safety has every answer of the safety evaluation and its table as JSON;
$work/eval_sft and $work/eval the evaluations: results.json, samples.jsonl.
Try next:
  $sextant generate --checkpoint $work/pretrain --prompt "A musical" --tokens 60
  $sextant checkpoint inspect $work/pretrain
  $sextant eval compare $work/eval_sft $work/eval
  mpirun -n 2 $sextant pretrain $config run.folder=runs/longer run.steps=2000
  $sextant config show $config --origins
TEXT
say "done"
