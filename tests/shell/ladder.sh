#!/usr/bin/env bash
# A ladder as a user climbs it: planned, killed and gone on with, one prediction registered before the big run, kept in its
# checkpoints, and shown beside the outcome.
. "$(dirname "$0")/../harness/scene.sh"

sed -i "s#^run: {#run: {folder: $work/big, evaluate_sequences: 16, #" "$run"
cat >"$work/ladder.yaml" <<YAML
base: $run
folder: $work/ladder
overrides: [run.log_every=5]
rungs:
  - {width: 16, layers: 1, tokens: 1600, overrides: [optimizer.learning_rate=5e-3]}
  - {width: 16, tokens: 3200}
  - {width: 32, layers: 1, tokens: 4800}
  - {name: top, width: 32, tokens: 6400}
YAML
ladder=$work/ladder.yaml

# refused EXPECTED COMMAND...: exit code 2 and a message that says so.
refused() {
  local expected=$1
  shift
  "$@" >"$work/log" 2>&1
  [[ $? == 2 ]] || fail "exit code is not 2: $*: $(tail -n 3 "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "'$expected' is not in $(cat "$work/log")"
}

"$sextant" scaling ladder "$ladder" --plan >"$work/plan" || fail "--plan"
grep -q "^top .* 25 " "$work/plan" || fail "6400 tokens are not 25 updates of 256: $(cat "$work/plan")"
[[ ! -e $work/ladder ]] || fail "a plan leaves nothing behind"
"$sextant" scaling ladder "$ladder" --time >"$work/plan" || fail "--time"
grep -q "hours on one rank here" "$work/plan" || fail "no hours: $(cat "$work/plan")"

# Stopped in the third rung, it goes on there: the first two are not run again, the third from its checkpoint.
ranks 2 scaling ladder "$ladder" >"$work/log" 2>&1 &
mpi=$!
for _ in $(seq 600); do
  [[ -e $work/ladder/w32-l1/checkpoints/step-00000010 ]] && break
  kill -0 $mpi 2>/dev/null || break
  sleep 0.05
done
kill -9 "$(pgrep -n -f "sextant scaling ladder $ladder")" 2>/dev/null
wait $mpi
[[ -e $work/ladder/w16-l2/config.yaml ]] || fail "no second rung: $(cat "$work/log")"
before=$(sha256sum "$work"/ladder/w16-*/metrics.jsonl)
ranks 2 scaling ladder "$ladder" >"$work/log" 2>&1 || fail "going on: $(tail -n 3 "$work/log")"
[[ $(sha256sum "$work"/ladder/w16-*/metrics.jsonl) == "$before" ]] || fail "finished rungs were run again"
[[ $(grep -c ": done, " "$work/log") -ge 2 ]] || fail "finished rungs are not told: $(cat "$work/log")"
ranks 2 scaling ladder "$ladder" folder="$work/whole" >"$work/log" 2>&1 || fail "in one go: $(tail -n 3 "$work/log")"
diff "$work/whole/points.csv" "$work/ladder/points.csv" || fail "a ladder that was killed has other points"
[[ $(wc -l <"$work/ladder/points.csv") == 5 ]] || fail "points.csv"

# Other settings under the same folder are no points of the same ladder.
refused "holds a run with other settings" ranks 2 scaling ladder "$ladder" overrides="[optimizer.learning_rate=1e-3]"

predict() { "$sextant" scaling predict "$run" --points "$@"; }
points=$work/ladder/points.csv
predict "$points" >"$work/log" || fail "predict"
digest=$(sha256sum <"$work/big/prediction.json" | cut -d' ' -f1)
grep -q "sha256 $digest" "$work/log" || fail "the digest is not the file's: $(cat "$work/log")"
predict "$points" --json | diff - "$work/big/prediction.json" || fail "asked again, the prediction is another"
sed '$s/,[^,]*$/,3.5/' "$work/ladder/points.csv" >"$work/other.csv"
refused "not replaced" predict "$work/other.csv"

refused "checkpoint" "$sextant" scaling outcome "$work/big"
ranks 2 pretrain "$run" run.stop_at=20 >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
grep -q "prediction: the held-out loss will come to .*sha256 $digest" "$work/log" || fail "the run does not tell: $(cat "$work/log")"
refused "at step 20 of 60" "$sextant" scaling outcome "$work/big"
ranks 2 pretrain "$run" >"$work/log" 2>&1 || fail "going on: $(tail -n 1 "$work/log")"
"$sextant" checkpoint inspect "$work/big" --json | grep -q "\"prediction_sha256\": \"$digest\"" || fail "no digest in the checkpoint"
"$sextant" scaling outcome "$work/big" --json >"$work/outcome.json" || fail "outcome"
/usr/bin/python3 - "$work" "$digest" <<'PYTHON' || fail "outcome.json"
import json, sys
work, digest = sys.argv[1:]
outcome, prediction = json.load(open(work + "/outcome.json")), json.load(open(work + "/big/prediction.json"))
last = json.loads(open(work + "/big/metrics.jsonl").readlines()[-1])
print("predicted", prediction["loss"], "came", last["valid_loss"])
assert outcome["prediction"] == prediction and outcome["prediction_sha256"] == digest
assert outcome["loss"] == last["valid_loss"] and outcome["step"] == 60
assert abs(outcome["relative_error"] - (prediction["loss"] / last["valid_loss"] - 1)) < 1e-15
PYTHON
"$sextant" scaling outcome "$work/big" | grep -q "^error " || fail "the table"

# A prediction that is changed afterwards is found out; a run that has begun can not be foretold.
sed -i 's/"loss": [0-9.]*/"loss": 1.0/' "$work/big/prediction.json"
refused "not the prediction that the run began with" "$sextant" scaling outcome "$work/big"
refused "this run has begun" predict "$points" run.folder="$work/ladder/top"
"$sextant" config show "$ladder" --origins | grep -q "folder *$work/ladder" || fail "config show"
refused "did you mean width" "$sextant" scaling ladder "$ladder" rungs.1.widht=3
echo "ladder: goes on where it was killed, foretells once, shows the outcome beside it"
