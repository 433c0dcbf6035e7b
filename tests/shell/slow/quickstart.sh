#!/usr/bin/env bash
# A clean clone's launch/quickstart.sh ends well, what it trains learns, and a second start has nothing left to do.
set -uo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "quickstart: $*" >&2; tail -n 30 "$work/log" >&2; exit 1; }

git clone -q "$root" "$work/clone" || fail "no clone"
cd "$work/clone" || exit 1
# Half a gigabyte of libtorch is taken from here; the rest is made anew.
cp -al "$root/.venv" .venv 2>/dev/null || { rm -rf .venv; cp -a "$root/.venv" .venv; } || fail "no .venv"
SECONDS=0
bash launch/quickstart.sh >"$work/log" 2>&1 </dev/null || fail "exit code $?"
((SECONDS < 1800)) || fail "took $SECONDS s"
first=$SECONDS

python3 - <<'PYTHON' || fail "see above"
import json, pathlib, statistics, sys
run = pathlib.Path("runs/quickstart")
lines = [json.loads(line) for line in (run / "pretrain/metrics.jsonl").open()]
losses = [line["loss"] for line in lines if "loss" in line]
last = statistics.mean(losses[-5:])
if not last < 0.6 * losses[0]:
    sys.exit(f"pretraining went from a loss of {losses[0]} to {last}")
rewards = [line["reward"] for line in map(json.loads, (run / "ppo/metrics.jsonl").open()) if "reward" in line]
if not statistics.mean(rewards[-5:]) > statistics.mean(rewards[:5]):
    sys.exit(f"PPO went from a reward of {rewards[:5]} to {rewards[-5:]}")
if "<html" not in (run / "report.html").read_text():
    sys.exit("there is no report")
print(f"loss {losses[0]:.2f} to {last:.2f}, reward {rewards[0]:.2f} to {rewards[-1]:.2f}")
PYTHON

SECONDS=0
bash launch/quickstart.sh >"$work/log" 2>&1 </dev/null || fail "the second start gave exit code $?"
grep -q 'nothing to do: ' "$work/log" || fail "the second start set up or built again"
! grep -q '^step ' "$work/log" || fail "the second start trained again"
((SECONDS < 180)) || fail "the second start took $SECONDS s"
echo "quickstart: $first s from the clone to the end, $SECONDS s a second time"
