#!/usr/bin/env bash
# sextant report as a user runs it: runs, evaluations and what else is measured in one page that a real browser opens without
# a word in its log, whatever names and samples hold.
# shellcheck source-path=SCRIPTDIR/../harness
. "$(dirname "$0")/../harness/scene.sh"

# A run that was foretold, stopped and went on.
pretrain=("$run" run.evaluate_every=10 "run.sample_prompts=[The, A]" run.sample_tokens=8 run.folder="$work/one")
cat >"$work/points.csv" <<'CSV'
name,parameters,tokens,flops,loss
a,1000,1e4,1e9,5.6
b,2000,2e4,4e9,5.2
c,4000,4e4,1.6e10,4.9
d,8000,8e4,6.4e10,4.7
e,16000,1.6e5,2.56e11,4.6
CSV
"$sextant" scaling predict "${pretrain[@]}" --points "$work/points.csv" >"$work/log" 2>&1 || fail "predict: $(cat "$work/log")"
ranks 1 pretrain "${pretrain[@]}" run.stop_at=30 >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
ranks 1 pretrain "${pretrain[@]}" >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"

# A copy whose name, samples and lines somebody made up to break the page, one whose settings are damaged, and what other
# commands write.
two="$work/<img src=x onerror=alert(1)>"
cp -r "$work/one" "$two"
cp -r "$work/one" "$work/three"
echo 'run: {steps: x}' >"$work/three/config.yaml"
mkdir "$work/ppo" "$work/safety" "$work/before" "$work/after"
"$sextant" config show "$source_root/configs/rlhf/quickstart_ppo.yaml" >"$work/ppo/config.yaml" || fail "config show"
/usr/bin/python3 - "$work" "$two" <<'PYTHON'
import json, sys
work, two = sys.argv[1:]
lines = open(two + "/metrics.jsonl").read().splitlines()
last = json.loads(lines[-1])
with open(two + "/metrics.jsonl", "w") as out:
    for line in lines[:-1]: print(line, file=out)
    for step in range(last["step"], 9000):
        last.update(step=step, tokens=step * 256, loss=99.5 if step == 4321 else 5 - step / 9000,
                    grad_norm=None if step == 77 else 0.5)
        print(json.dumps(last), file=out)
    out.write('{"step": 9000, "tok')
hostile = {"prompt": "</script><script>document.title='x'</script>", "text": "<!--<script>\u2028<img src=//x.invalid/y>"}
sources = {"style<b>": {"value": 1, "letter": "A", "probabilities": [0.75, 0.25]}, "model": {"value": -0.5}}
with open(two + "/samples.jsonl", "a") as out:
    print(json.dumps({"step": 9, **hostile}), file=out)
    print(json.dumps({"step": 9, "prompt": 5, "text": None, "sources": {"a": None, "b": {"value": "x", "letter": 3, "probabilities": 7}}}), file=out)
with open(work + "/ppo/metrics.jsonl", "w") as metrics, open(work + "/ppo/samples.jsonl", "w") as samples:
    for step in range(1, 41):
        print(json.dumps({"step": step, "tokens": 256 * step, "loss": 0.1, "step_seconds": 1, "reward": step / 40, "kl": step / 20,
                          "reward_style<b>": 1, "reward_model": step / 50, "seconds_rollout": 0.5, "seconds_updates": 0.4}), file=metrics)
        print(json.dumps({"step": step, **hostile, "class": "plain", "reward": 0.5, "sources": sources, "kl": 1.5}), file=samples)
for name, right in (("before", 0.25), ("after", 0.5)):
    bins = [{"low": i / 4, "high": i / 4 + 0.25, "n": 10.0 + i, "confidence": i / 4 + 0.1, "accuracy": right} for i in range(4)]
    json.dump([{"task": "capitals</script>", "metric": "acc", "value": right, "stderr": 0.05, "n": 46, "low": right - 0.1, "high": right + 0.1},
               {"task": "capitals</script>", "metric": "ece", "value": 0.2, "stderr": None, "n": 46, "bins": bins},
               {"task": "capitals</script>", "group": "europe", "metric": "acc", "value": 1, "stderr": 0, "n": 3},
               {"task": "law", "metric": "points", "group": "essays", "value": 80 * right, "stderr": 4, "n": 9, "out_of": 80},
               {"task": "law", "metric": "total", "value": None, "stderr": None, "n": 9, "out_of": 100}],
              open(f"{work}/{name}/results.json", "w"))
share = lambda value: {"share": value, "low": value / 2, "high": value * 1.5, "answers": 40, "subjects": 5}
json.dump({"models": [{"name": name, "checkpoint": "c", "measures": {"over-refusal": share(value)}, "perplexity": 40.0}
                      for name, value in (("before PPO", 0.4), ("after PPO", 0.2))],
           "changes": {"over-refusal": {"points": -20, "low": -30, "high": -5, "percent": -50, "better": "lower", "not_worse": True}},
           "perplexity_rise_percent": 0.0, "failures": ["over-refusal is 20.0 %, above its bound"]}, open(work + "/safety/safety.json", "w"))
with open(work + "/safety/samples.jsonl", "w") as out:
    for model in ("before PPO", "after PPO"): print(json.dumps({"model": model, **hostile, "class": "benign", "sources": sources}), file=out)
kind = {"contaminated": 2, "share": 0.02}
mean = {"items": 100, "mean": 0.5, "stderr": 0.05}
json.dump({"evals": ["mmlu.jsonl"], "items": 100, **kind, "characters": kind, "words": kind,
           "scores": {"metric": "acc", "all": mean, "clean": mean, "contaminated": mean, "lower": "clean"},
           "contaminated_items": [{"eval": "mmlu.jsonl", "index": 3, "characters": [], "words": [
               {"source": "web", "document": 7, "position": 1, "needle": "n", "text": "</script>"}]}]}, open(work + "/found.json", "w"))
PYTHON

all=("$work/one" "$two" "$work/three" "$work/ppo" "$work/safety" "$work/before" "$work/after" "$work/found.json" "$work/points.csv")
"$sextant" report "${all[@]}" --output "$work/page.html" >"$work/table" 2>"$work/err" || fail "report: $(cat "$work/err")"
cat "$work/table"
/usr/bin/python3 - "$work" <<'PYTHON' || fail "the page or the table"
import json, re, sys
work = sys.argv[1]
page = open(work + "/page.html", encoding="utf-8").read()
inside = re.search(r'<script type="application/json" id="report">(.*?)</script>', page, re.S).group(1)
assert "<" not in inside and page.count("</script>") == page.count("<script") == 5
report = json.loads(inside)
one, two, three, ppo = report["runs"]
lines = [json.loads(line) for line in open(work + "/one/metrics.jsonl")]
assert one["curves"]["loss"]["y"] == [float("%.6g" % line["loss"]) for line in lines]
assert one["axes"][one["curves"]["loss"]["axis"]]["step"] == [line["step"] for line in lines]
assert one["final"]["loss"] == lines[-1]["loss"] and one["final"]["step"] == 60
assert [start["from_step"] for start in one["starts"]] == [0, 30], one["starts"]
settings = {s["key"]: s for s in one["settings"]}
assert settings["optimizer.learning_rate"]["value"] == "0.003" and settings["optimizer.learning_rate"]["changed"]
assert not settings["optimizer.beta1"]["changed"] and one["stage"] == "pretrain" and one["notes"] == []
assert one["prediction"]["outcome"] == lines[-1]["valid_loss"] and 3 < one["prediction"]["loss"] < 6, one["prediction"]
(law,) = report["laws"]
assert law["sha256"] == one["prediction"]["points_sha256"] and len(law["points"]) == 5 and law["points"][1] == {"flops": 4e9, "loss": 5.2}, law
assert len(two["curves"]["loss"]["y"]) <= 2000 and max(two["curves"]["loss"]["y"]) == 99.5
notes = "\n".join(two["notes"])
assert "1 damaged line of metrics.jsonl" in notes and "metrics.jsonl:9000" in notes, notes
assert "grad_norm was not finite in 1 line, first at step 77" in notes, notes
assert "no settings" in three["notes"][0] and three["stage"] == "" and ppo["stage"] == "ppo"
assert any("</script>" in sample["prompt"] for sample in two["samples"])
table = open(work + "/table").read()
assert re.search(r"^loss +%s" % re.escape("%.5g" % lines[-1]["loss"]), table, re.M), table
assert re.search(r"capitals.* acc +0.5000 .*46$", table, re.M) and re.search(r"^  essays +40.00 +80.00", table, re.M)
assert "2 of 100 items" in table and "over-refusal" in table, table
PYTHON
/usr/bin/python3 "$source_root/tests/harness/browser.py" "$work/page.html" "$work" 25 || fail "browser"
[[ -s $work/light.png && -s $work/dark.png && -s $work/phone.png && -s $work/paper.pdf ]] || fail "no pictures"

"$sextant" report "$work/one/" >/dev/null 2>"$work/err" || fail "one run: $(cat "$work/err")"
[[ -s $work/one/report.html ]] || fail "no report.html in the run's folder"

# refused EXPECTED ARGUMENTS...: exit 2 and one message that says so.
refused() {
  local expected=$1 code=0
  shift
  "$sextant" report "$@" >"$work/out" 2>"$work/err" || code=$?
  [[ $code == 2 ]] || fail "exit code $code instead of 2: $*"
  grep -qF -- "$expected" "$work/err" || fail "'$expected' is not in: $(cat "$work/err")"
  [[ $(wc -l <"$work/err") == 1 && ! -s $work/out ]] || fail "more than one message for: $*"
}
refused "there is no such folder" "$work/nothing"
refused "the runs in it are $work/" "$work"
refused "this is no run" "$work/one/checkpoints"
refused "given twice" "$work/one" "$work/one/"
mkdir "$work/empty" && : >"$work/empty/metrics.jsonl"
refused "the run has not begun" "$work/empty"
for damaged in '[{"task": 3}]' '[{"task": "t", "metric": "ece", "value": 1, "n": 1}]' \
  '[{"task": "t", "metric": "points", "value": 1, "stderr": 1, "n": 1, "out_of": 2}]'; do
  echo "$damaged" >"$work/before/results.json"
  refused "it is not what \`sextant eval\` writes" "$work/before"
done
echo '{' >"$work/safety/safety.json"
refused "it is not what \`sextant safety\` writes" "$work/safety"
refused "it is not what \`sextant data contamination --output\` writes" "$run"
sed 4s/4.9/-4.9/ "$work/points.csv" >"$work/below.csv"
refused "below.csv:4: -4.9 is not above 0" "$work/below.csv"
"$sextant" report "$work/one" --output "$work/no/such/page.html" >"$work/out" 2>"$work/err"
[[ $? == 1 ]] || fail "a folder that is not there: $(cat "$work/err")"
echo "report: shows what was measured, opens without a word, and refuses what is no run"
