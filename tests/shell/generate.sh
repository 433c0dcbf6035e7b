# A checkpoint is enough to generate and score: greedy text, seeds, batches, JSON; its log-probabilities agree.
. "$(dirname "$0")/../harness/scene.sh"
ranks 2 pretrain "$run" run.folder="$work/run" 'run.sample_prompts=["The "]' run.evaluate_every=30 >"$work/log" 2>&1 ||
  fail "$(tail -n 1 "$work/log")"
gen() { "$sextant" generate --checkpoint "$work/run" "$@"; }
[[ $(gen --prompt 'The ' --tokens 12 --temperature 0) == "$(gen --prompt 'The ' --tokens 12 --temperature 0)" ]] ||
  fail "greedy text differs between two starts"
[[ $(gen --prompt 'The ' --seed 1) == "$(gen --prompt 'The ' --seed 1)" ]] || fail "a seed does not decide"
gen --prompt 'The ' --prompt 'A checkpoint' --tokens 8 --temperature 0 --json --ignore-end >"$work/two" || fail "a batch"
gen --prompt 'The ' --tokens 8 --temperature 0 --json --ignore-end >"$work/one" || fail "one prompt"
/usr/bin/python3 - "$work" <<'PYTHON' || fail "JSON of generate"
import json, sys
two = [json.loads(line) for line in open(sys.argv[1] + "/two")]
one = json.loads(open(sys.argv[1] + "/one").read())
assert [d["prompt"] for d in two] == ["The ", "A checkpoint"]
assert two[0]["ids"] == one["ids"] and len(one["ids"]) == 8 == len(one["log_probabilities"])
open(sys.argv[1] + "/text", "w").write(one["prompt"] + one["text"])
PYTHON
"$sextant" score --checkpoint "$work/run" "$work/text" >"$work/scored" || fail "score"
/usr/bin/python3 - "$work" <<'PYTHON' || fail "score and generate disagree"
import json, sys
one = json.loads(open(sys.argv[1] + "/one").read())
scored = json.loads(open(sys.argv[1] + "/scored").read())
ids = [token["id"] for token in scored["tokens"]]
# Encoding the text again may cut it otherwise; where it does not, the numbers are the same forward pass's.
if ids[-8:] == one["ids"]:
    worst = max(abs(a["log_probability"] - b) for a, b in zip(scored["tokens"][-8:], one["log_probabilities"]))
    assert worst < 1e-4, worst
PYTHON
[[ $(wc -l <"$work/run/samples.jsonl") == 3 ]] || fail "samples.jsonl: a line before, at step 30 and at the end"
gen --prompt '' 2>"$work/err" && fail "an empty prompt"
grep -q 'prompt' "$work/err" || fail "an empty prompt is refused without a word"
"$sextant" generate --checkpoint "$work/none" --prompt x 2>"$work/err"
[[ $? == 2 ]] || fail "an absent checkpoint: exit code"
echo "generate: texts, seeds and scores agree"
