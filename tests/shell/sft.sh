# Fine-tuning as a user runs it: from a pretrained checkpoint, on packed conversations with pretraining rows among
# them; interrupted and started again it ends with the same bits; bad lines are named.
. "$(dirname "$0")/../harness/scene.sh"

ranks 1 pretrain "$run" run.steps=20 run.folder="$work/base" >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
/usr/bin/python3 - "$work" <<'PYTHON'
import gzip, json, sys
lines = [json.dumps({"prompt": "say %d" % i, "response": "well, %d" % (i * i)}) for i in range(60)]
open(sys.argv[1] + "/train.jsonl", "w").write("\n".join(lines[:40]) + "\n")
with gzip.open(sys.argv[1] + "/valid.jsonl.gz", "wt") as file:
    file.write("\n".join(lines[40:]))
PYTHON
sft=$work/sft.yaml
cat >"$sft" <<YAML
run: {start_from: $work/base, steps: 30, seed: 3, global_batch: 8, micro_batch: 2, checkpoint_every: 10, log_every: 1,
      evaluate_every: 10, sample_prompts: ["say 7"], sample_tokens: 8}
model: {context: 64}
optimizer: {learning_rate: 3e-3}
data: {tokenizer: $work/base, train: [$work/train]}
supervised: {train: [$work/train.jsonl], valid: [$work/valid.jsonl.gz], pretraining_share: 0.25}
YAML
cp "$work/tok.json" "$work/base/tokenizer.json"

ranks 2 sft "$sft" run.folder="$work/whole" >"$work/log" 2>&1 || fail "sft: $(tail -n 3 "$work/log")"
grep -q "conversations: 40 conversations (.* are the assistant's), chat template plain; held out: 20" "$work/log" ||
  fail "the start does not tell what is learned from"
grep -q "pretraining_share: 0.25" "$work/whole/config.yaml" || fail "config.yaml has not the stage's own section"
/usr/bin/python3 - "$work/whole" <<'PYTHON' || fail "the held-out loss did not fall"
import json, sys
held_out = [d["valid_loss"] for d in map(json.loads, open(sys.argv[1] + "/metrics.jsonl")) if "valid_loss" in d]
print("held-out loss", held_out)
assert len(held_out) == 3 and held_out[-1] < held_out[0], held_out
PYTHON
grep -q '"prompt":"say 7"' "$work/whole/samples.jsonl" || fail "no samples"

# Stopped on two ranks and gone on with, the bits and the losses are those of the whole run.
ranks 2 sft "$sft" run.folder="$work/stop" run.stop_at=13 >"$work/log" 2>&1 || fail "stop_at"
ranks 2 sft "$sft" run.folder="$work/stop" >"$work/log" 2>&1 || fail "going on: $(tail -n 1 "$work/log")"
[[ $(sha "$work/stop") == "$(sha "$work/whole")" ]] || fail "weights differ after going on"
losses "$work/whole" >"$work/want"
losses "$work/stop" | diff "$work/want" - || fail "losses differ after going on"
# A finished run whose conversations have changed is not gone on with in silence.
echo '{"prompt": "new", "response": "line"}' >>"$work/train.jsonl"
ranks 1 sft "$sft" run.folder="$work/stop" >"$work/log" 2>&1
[[ $? == 2 ]] || fail "changed conversations: exit code is not 2"
grep -q "are not those the run began with" "$work/log" || fail "changed conversations: $(cat "$work/log")"

# refused WHAT EXPECTED ARGUMENTS...: exit 2 and one message that says so.
refused() {
  local what=$1 expected=$2
  shift 2
  ranks 2 sft "$sft" run.folder="$work/refused" "$@" >"$work/log" 2>&1
  [[ $? == 2 ]] || fail "$what: exit code is not 2: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
}
printf '{"prompt": "p", "response": "r"}\n{"prompt": "p"}\n' >"$work/bad.jsonl"
refused "a bad line" "bad.jsonl:2: the object has neither" "supervised.train=[$work/bad.jsonl]"
refused "a lost file" "lost.jsonl" "supervised.train=[$work/lost.jsonl]"
refused "a template without its tokens" "no special token <|im_start|>" chat.template=chatml
refused "a wrong key" "did you mean pretraining_share" supervised.pretraining_shar=1
refused "nothing to learn from" "nothing to learn from" model.context=8 "chat.on_too_long=skip"
ranks 1 sft "$sft" run.folder="$work/skip" run.steps=1 "supervised.train=[$work/bad.jsonl]" chat.on_bad_line=skip \
  >"$work/log" 2>&1 || fail "skipping: $(tail -n 1 "$work/log")"
grep -q "1 conversations; 1 lines left out (the first: .*bad.jsonl:2" "$work/log" || fail "what was skipped is not told"
"$sextant" config show "$sft" --origins | grep -q "supervised.pretraining_share *0.25" || fail "config show"
echo "sft: learns, goes on to the bit, names bad lines"
