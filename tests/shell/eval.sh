# sextant eval as a user runs it: tasks of every kind on a small model, one rank and two with the same bytes, killed and gone on
# with, compared, and bad data named by file and line.
. "$(dirname "$0")/../harness/scene.sh"

ranks 1 pretrain "$run" run.steps=20 run.folder="$work/base" >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
ranks 1 pretrain "$run" run.steps=40 run.folder="$work/more" >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
/usr/bin/python3 - "$work" <<'PYTHON'
import gzip, json, sys
lines = [json.dumps({"q": "%d+%d" % (i, i), "c": ["%d" % (2 * i), "x", "%d" % i], "gold": 0, "kind": "k%d" % (i % 2), "text": "a %d b %d" % (i, i),
                     "input": [{"role": "user", "content": "%d?" % i}], "ideal": ["%d" % i]}) for i in range(40)]
open(sys.argv[1] + "/items.jsonl", "w").write("\n".join(lines) + "\n")
with gzip.open(sys.argv[1] + "/shots.jsonl.gz", "wt") as file:
    file.write("\n".join(lines[:6]))
PYTHON
cat >"$work/judge.yaml" <<'YAML'
prompt: "{completion} {ideal}?"
choice_strings: [e, a]
choice_scores: {e: 1, a: 0.5}
input_outputs: {input: completion}
eval_type: classify
YAML
tasks=$work/tasks.yaml
cat >"$tasks" <<YAML
eval:
  checkpoint: $work/base
  data_folder: $work
  resamples: 200
  tasks:
    - {name: sums, kind: multiple_choice, data: items.jsonl, prompt: "{{q}}=", delimiter: "", choices_field: c, gold: "{{gold}}",
       group: "{{kind}}", shots: {count: 1, data: shots.jsonl.gz, separator: "\n"}}
    - {name: last, kind: log_likelihood, data: items.jsonl, prompt: "{{text|but_last_word}}", target: "{{text|last_word}}"}
    - {name: documents, kind: perplexity, shards: $work/train_valid, prompt: "{{text}}", limit: 5, stride: 16}
    - {name: writing, kind: generation, data: items.jsonl, prompt: "{{q}}=", target: "{{c.0}}", tokens: 6, stop: ["\n"], limit: 9,
       answers: ['[0-9]+'], temperature: 0.7}
    - {name: judged, kind: generation, data: items.jsonl, messages_field: input, grading: model_graded, tokens: 6, limit: 9,
       judge: {spec: $work/judge.yaml, tokens: 3}}
    - {name: talk, kind: generation, data: items.jsonl, messages_field: input, ideals_field: ideal, grading: includes, tokens: 6, limit: 9}
YAML

ranks 1 eval "$tasks" eval.folder="$work/one" >"$work/log" 2>&1 || fail "eval: $(tail -n 3 "$work/log")"
grep -q "^sums  *acc  " "$work/log" || fail "no table: $(cat "$work/log")"
/usr/bin/python3 - "$work/one" <<'PYTHON' || fail "results.json is not what samples.jsonl says"
import json, math, sys
results = json.load(open(sys.argv[1] + "/results.json"))
samples = [json.loads(line) for line in open(sys.argv[1] + "/samples.jsonl")]
assert [s["index"] for s in samples if s["task"] == "sums"] == list(range(40)), "samples are not in order"
for result in results:
    assert {"task", "metric", "value", "stderr", "n"} <= set(result), result
find = lambda task, metric: next(r for r in results if (r["task"], r["metric"]) == (task, metric) and "group" not in r)
grades = lambda task, name: [s["grade"][name] for s in samples if s["task"] == task]
mean = lambda values: sum(values) / len(values)
for metric in ("acc", "acc_norm"):
    values = grades("sums", metric)
    assert abs(find("sums", metric)["value"] - mean(values)) < 1e-12
    spread = sum((v - mean(values)) ** 2 for v in values) / (len(values) - 1)
    assert abs(find("sums", metric)["stderr"] - math.sqrt(spread / len(values))) < 1e-12
groups = [r for r in results if r["task"] == "sums" and r.get("group") and r["metric"] == "acc"]
assert [(g["group"], g["n"]) for g in groups] == [("k0", 20), ("k1", 20)], groups
assert abs(find("last", "perplexity")["value"] - math.exp(-mean(grades("last", "log_likelihood")))) < 1e-9
total = lambda name: sum(grades("documents", name))
assert abs(find("documents", "bits_per_byte")["value"] + total("log_likelihood") / total("bytes") / math.log(2)) < 1e-9
assert find("documents", "word_perplexity")["value"] > find("documents", "byte_perplexity")["value"] > 1
for sample in samples:
    if sample["task"] == "sums":
        scores = [option["log_likelihood"] for option in sample["options"]]
        assert sample["answer"] == scores.index(max(scores)) and (sample["answer"] in sample["gold"]) == (sample["grade"]["acc"] == 1)
        assert sample["options"][0]["context"].count("=") == 2, "one example stands in front"
    if sample["task"] == "writing":
        assert "\n" not in sample["completion"] and len(sample["ids"]) <= 6
judged = [s for s in samples if s["task"] == "judged"]
bare = lambda text: "".join(text.split())
assert len(judged) == 9
for sample in judged:
    number = sample["index"]
    asked = sample["judge"]["prompt"]
    assert "truncated" not in sample["judge"] and bare("%s [\"%d\"]?" % (sample["completion"], number)) in bare(asked), asked
    choice, grade = sample["judge"]["choice"], sample["grade"]
    assert choice in ("e", "a", "__invalid__") and grade["invalid"] == (choice == "__invalid__"), sample
    assert grade["score"] == (1 if choice == "e" else 0.5) and grade["choice/e"] == (choice == "e"), grade
assert abs(find("judged", "invalid")["value"] - mean(grades("judged", "invalid"))) < 1e-12
print({(r["task"], r["metric"]): round(r["value"], 3) for r in results if "group" not in r})
PYTHON

# The same bytes on two ranks that deal the items out; as a model shared by two, the same to rounding.
ranks 2 eval "$tasks" eval.folder="$work/two" >"$work/log" 2>&1 || fail "two ranks: $(tail -n 3 "$work/log")"
cmp "$work/one/samples.jsonl" "$work/two/samples.jsonl" || fail "two ranks have other records"
cmp "$work/one/results.json" "$work/two/results.json" || fail "two ranks have other results"
for axis in tensor pipeline; do
  ranks 2 eval "$tasks" eval.folder="$work/$axis" parallel.$axis=2 >"$work/log" 2>&1 || fail "$axis: $(tail -n 3 "$work/log")"
  /usr/bin/python3 - "$work/one" "$work/$axis" <<'PYTHON' || fail "a model shared along $axis scores otherwise"
import json, sys
one, other = ([json.loads(line) for line in open(folder + "/samples.jsonl")] for folder in sys.argv[1:3])
for a, b in zip(one, other):
    for x, y in zip(a.get("options", []), b.get("options", [])):
        assert abs(x["log_likelihood"] - y["log_likelihood"]) < 1e-4 * max(1, abs(x["log_likelihood"])), (a["task"], x, y)
PYTHON
done

# Killed in the middle, with half a line at the end, it goes on and ends with the same bytes.
mkdir "$work/killed"
cp "$work/one/eval.json" "$work/killed"
head -c 20000 "$work/one/samples.jsonl" >"$work/killed/samples.jsonl"
ranks 1 eval "$tasks" eval.folder="$work/killed" >"$work/log" 2>&1 || fail "going on: $(tail -n 3 "$work/log")"
grep -q "^going on: [1-9][0-9]* items have their records" "$work/log" || fail "it does not tell that it goes on"
cmp "$work/one/samples.jsonl" "$work/killed/samples.jsonl" || fail "gone on with, it has other records"
ranks 1 eval "$tasks" eval.folder="$work/term" >"$work/log" 2>&1 &
for _ in $(seq 200); do
  [[ -s $work/term/samples.jsonl ]] && break
  sleep 0.05
done
pkill -TERM -P $! -x mpirun 2>/dev/null
wait $!
ranks 1 eval "$tasks" eval.folder="$work/term" >"$work/log" 2>&1 || fail "after a signal: $(tail -n 3 "$work/log")"
cmp "$work/one/samples.jsonl" "$work/term/samples.jsonl" || fail "stopped by a signal and gone on with, it has other records"

# Two checkpoints, item by item.
ranks 1 eval "$tasks" eval.checkpoint="$work/more" eval.folder="$work/b" >"$work/log" 2>&1 || fail "second: $(tail -n 3 "$work/log")"
"$sextant" eval compare "$work/one" "$work/b" >"$work/log" || fail "compare"

grep -q "^last  *log_likelihood" "$work/log" || fail "no comparison: $(cat "$work/log")"
"$sextant" eval compare --json "$work/one" "$work/b" | /usr/bin/python3 -c 'import json, sys
for c in json.load(sys.stdin):
    assert abs(c["b"] - c["a"] - c["difference"]) < 1e-9 and 0 <= c["sign_p"] <= 1 and c["low"] <= c["difference"] <= c["high"], c' ||
  fail "compare --json"

# Another checkpoint as the judge: the completions stay, its words are the other model's.
ranks 1 pretrain "$run" run.steps=1 run.seed=9 run.folder="$work/judge" >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
ranks 2 eval "$tasks" eval.judge.checkpoint="$work/judge" eval.folder="$work/judged" parallel.tensor=2 >"$work/log" 2>&1 ||
  fail "a judge: $(tail -n 3 "$work/log")"
/usr/bin/python3 - "$work/one" "$work/judged" "$work/tensor" <<'PYTHON' || fail "the judge is not the other model"
import json, sys
own, other, tensor = ([s for s in map(json.loads, open(f + "/samples.jsonl")) if s["task"] == "judged"] for f in sys.argv[1:4])
assert [s["completion"] for s in tensor] == [s["completion"] for s in other]
assert [s["judge"]["prompt"] for s in tensor] == [s["judge"]["prompt"] for s in other]
assert [s["judge"]["ids"] for s in tensor] != [s["judge"]["ids"] for s in other]
PYTHON

# The best of two answers, both in the judge's prompt.
cat >"$work/best.yaml" <<'YAML'
prompt: "{n}: {completion}?"
completion_sample_templates: {completion: "{i}. {output}\n"}
choice_strings: from_n
eval_type: classify
YAML
best=(eval.tasks.4.samples=2 eval.tasks.4.tokens=3 eval.tasks.4.temperature=1 eval.tasks.4.judge.spec="$work/best.yaml" eval.limit=3)
ranks 1 eval "$tasks" "${best[@]}" eval.folder="$work/best" >"$work/log" 2>&1 || fail "the best of two: $(tail -n 3 "$work/log")"
/usr/bin/python3 - "$work/best" <<'PYTHON' || fail "the judge has not read both"
import json, sys
judged = [s for s in map(json.loads, open(sys.argv[1] + "/samples.jsonl")) if s["task"] == "judged"]
assert len(judged) == 3
bare = lambda text: "".join(text.split())
for s in judged:
    first, second = (a["completion"] for a in s["samples"])
    assert bare("2: 1. %s 2. %s?" % (first, second)) in bare(s["judge"]["prompt"]), s
    assert s["judge"]["choice"] in ("1", "2", "__invalid__"), s
assert any(s["samples"][0] != s["samples"][1] for s in judged)
PYTHON

# refused WHAT EXPECTED ARGUMENTS...: exit 2 and one message that says so.
refused() {
  local what=$1 expected=$2
  shift 2
  ranks 2 eval "$tasks" "$@" >"$work/log" 2>&1
  [[ $? == 2 ]] || fail "$what: exit code is not 2: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
  [[ $(grep -c "^sextant:" "$work/log") == 1 ]] || fail "$what: more than one message: $(cat "$work/log")"
}
sed 3s/..$// "$work/items.jsonl" >"$work/broken.jsonl"
sed '7s/"gold": 0/"gold": 3/' "$work/items.jsonl" >"$work/range.jsonl"
sed '5s/"q"/"question"/' "$work/items.jsonl" >"$work/missing.jsonl"
refused "a broken line" "broken.jsonl:3: this line is not JSON" eval.folder="$work/r1" eval.tasks.0.data=broken.jsonl
refused "gold out of range" "range.jsonl:7: task sums: gold '3' is out of range" eval.folder="$work/r2" eval.tasks.0.data=range.jsonl
refused "a missing field" "missing.jsonl:5: task sums: the field 'q' is missing" eval.folder="$work/r3" eval.tasks.0.data=missing.jsonl
refused "a lost file" "lost.jsonl" eval.folder="$work/r4" eval.tasks.1.data=lost.jsonl
refused "another evaluation's folder" "holds another evaluation" eval.folder="$work/one" eval.seed=5
refused "a lost checkpoint" "$work/lost" eval.folder="$work/r5" eval.checkpoint="$work/lost"
refused "a wrong key" "did you mean" eval.folder="$work/r6" eval.tasks.0.prompts=x
refused "another judge" "holds another evaluation" eval.folder="$work/one" eval.judge.checkpoint="$work/more"
refused "what is no specification" "tasks.yaml:1: eval: this is not understood here" eval.folder="$work/r8" eval.tasks.4.judge.spec="$tasks"
refused "two greedy answers" "all greedy completions are equal" eval.folder="$work/r9" eval.tasks.4.samples=2
refused "no place for the second" "each needs its place" eval.folder="$work/r10" eval.tasks.4.samples=2 eval.tasks.4.temperature=1
refused "a wrong template" "close it with" eval.folder="$work/r7" 'eval.tasks.0.prompt={{q'
"$sextant" eval >"$work/log" 2>&1
[[ $? == 2 ]] || fail "no file: exit code is not 2"
"$sextant" config show "$tasks" --origins >"$work/log" || fail "config show"
grep -q "eval.tasks.0.name *sums" "$work/log" || fail "config show does not tell the tasks"
echo "eval: every kind, the same bytes on two ranks and after a kill, compared, bad lines named"
