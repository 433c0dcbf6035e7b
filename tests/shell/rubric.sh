# A rubric's rewards learnt from comparisons as a user does it: with a reward model and a judge, on one rank and two; the
# written rubric loads and tells better answers from worse ones; bad comparisons are named. And measured on labelled answers.
. "$(dirname "$0")/../harness/scene.sh"

ranks 1 pretrain "$run" run.steps=10 run.folder="$work/base" model.context=384 >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
with open(sys.argv[1] + "/pairs.jsonl", "w") as file:
    for i in range(40):
        better, worse = ("Please wait %d." % i, "Go %d" % i) if i % 2 else ("No %d." % i, "Please do %d" % i)
        file.write(json.dumps({"prompt": "say %d" % i, "chosen": better, "rejected": worse, "class": "ab"[i % 2]}) + "\n")
PYTHON
cat >"$work/reward.yaml" <<YAML
run: {start_from: $work/base, steps: 4, global_batch: 8, micro_batch: 4, checkpoint_every: 4}
data: {tokenizer: $work/tok.json}
reward: {train: [$work/pairs.jsonl]}
YAML
ranks 1 reward "$work/reward.yaml" run.folder="$work/reward" >"$work/log" 2>&1 || fail "reward: $(tail -n 3 "$work/log")"
cat >"$work/rubric.yaml" <<YAML
judge: $work/base
rules:
  - {name: full_stop, kind: regex, pattern: "[.]$", reward: -1}
  - {name: please, kind: phrase, phrases: [please], classes: [b]}
questions:
  - name: kind
    text: "Is it kind?"
    options: [{letter: a, text: "It is.", reward: 1}, {letter: t, text: "It is not.", reward: 0}]
YAML
fit=$work/fit.yaml
cat >"$fit" <<YAML
fit: {rubric: $work/rubric.yaml, model: $work/reward, train: [$work/pairs.jsonl], output: $work/fitted.yaml, steps: 300}
YAML
ranks 1 rubric fit "$fit" >"$work/log" 2>&1 || fail "rubric fit: $(cat "$work/log")"
cat "$work/log"
grep -q "held out: 8 pairs" "$work/log" || fail "held-out pairs are not told"
grep -q "kind.t" "$work/log" || fail "an option is no feature"
[[ $(grep -c "fitted .* accuracy 1.0000" "$work/log") == 2 ]] || fail "the fitted rubric does not tell answers apart"
cp "$work/fitted.yaml" "$work/one.yaml"
ranks 2 rubric fit "$fit" >"$work/log" 2>&1 || fail "two ranks: $(cat "$work/log")"
cmp "$work/one.yaml" "$work/fitted.yaml" || fail "two ranks fit otherwise"
# It is a rubric again.
ranks 1 rubric fit "$fit" fit.rubric="$work/one.yaml" fit.output="$work/again.yaml" >"$work/log" 2>&1 || fail "the fitted rubric: $(cat "$work/log")"
[[ $(grep -c "as it was .* accuracy 1.0000" "$work/log") == 2 ]] || fail "the fitted rubric has lost its rewards: $(cat "$work/log")"

# Rules and a judge on labelled answers, by one rank as by two.
/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
with open(sys.argv[1] + "/labelled.jsonl", "w") as file:
    for i in range(9):
        text = "Go %d%s" % (i, "." if i % 3 else "")
        labels = {"full_stop": i % 3 > 0, "polite": i % 2 == 0}
        file.write(json.dumps({"prompt": "say %d" % i, "response": text, "labels": labels}) + "\n")
PYTHON
cat >"$work/grade.yaml" <<YAML
grade:
  rubric: $work/rubric.yaml
  answers: [$work/labelled.jsonl]
  options:
    - {question: kind, letter: a, when: [polite]}
    - {question: kind, letter: t}
YAML
ranks 1 rubric grade "$work/grade.yaml" grade.output="$work/grades_1.jsonl" >"$work/log" 2>&1 || fail "rubric grade: $(cat "$work/log")"
cat "$work/log"
grep -Eq "^full_stop \(6 yes\) +9 +1.000 +1.000 +1.000" "$work/log" || fail "the rule is not always right"
grep -Eq "^kind, mean of its classes +9 " "$work/log" || fail "the judge is not compared"
ranks 2 rubric grade "$work/grade.yaml" grade.output="$work/grades_2.jsonl" >"$work/log" 2>&1 || fail "two ranks: $(cat "$work/log")"
cmp "$work/grades_1.jsonl" "$work/grades_2.jsonl" || fail "two ranks grade otherwise"
# What it says over its leaning: the mean P that the table has, given back as priors.
read -r a t < <(awk '$1 == "a" || $1 == "t" {printf "%s ", $NF}' "$work/log")
with_priors() { sed "s/{letter: a,/{letter: a, prior: $1,/; s/{letter: t,/{letter: t, $2/" "$work/rubric.yaml" >"$work/priors.yaml"; }
with_priors "$a" "prior: $t,"
ranks 1 rubric grade "$work/grade.yaml" grade.rubric="$work/priors.yaml" grade.output="$work/grades_p.jsonl" >"$work/log" 2>&1 || fail "priors: $(cat "$work/log")"
/usr/bin/python3 - "$work" "$a" "$t" <<'PYTHON' || fail "probabilities are not over their priors"
import json, sys
plain, over = ([json.loads(line)["scores"]["kind"]["probabilities"] for line in open(f"{sys.argv[1]}/grades_{n}.jsonl")] for n in "1p")
for p, q in zip(plain, over, strict=True):
    weighed = [one / float(prior) for one, prior in zip(p, sys.argv[2:])]
    assert all(abs(w / sum(weighed) - found) < 1e-12 for w, found in zip(weighed, q)), (p, q)
assert plain != over
PYTHON
with_priors "$a" ""
ranks 1 rubric grade "$work/grade.yaml" grade.rubric="$work/priors.yaml" >"$work/log" 2>&1
[[ $? == 2 ]] && grep -q "question kind has a prior for 1 of its 2 options" "$work/log" || fail "half the priors: $(cat "$work/log")"
ranks 1 rubric grade "$work/grade.yaml" grade.options=[] grade.answers="[$work/pairs.jsonl]" >"$work/log" 2>&1
[[ $? == 2 ]] && grep -q "pairs.jsonl:1: the object has neither" "$work/log" || fail "comparisons as labelled answers: $(cat "$work/log")"

# refused WHAT EXPECTED ARGUMENTS...: exit 2 and one message that says so.
refused() {
  local what=$1 expected=$2
  shift 2
  ranks 1 rubric fit "$fit" "$@" >"$work/log" 2>&1
  [[ $? == 2 ]] || fail "$what: exit code is not 2: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
}
echo '{"prompt": "p", "chosen": "c"}' >"$work/bad.jsonl"
refused "a bad line" "bad.jsonl:1" "fit.train=[$work/bad.jsonl]"
refused "a model that gives no score" "predicts tokens" fit.model="$work/base"
echo "rubric: fitted to comparisons, by one rank as by two"
