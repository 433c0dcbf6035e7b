#!/usr/bin/env bash
# From a fresh clone to a small language model trained on real text. Started again it does only what is left.
set -euo pipefail

usage() {
  cat <<'TEXT'
launch/quickstart.sh

  1. sets up and builds (launch/setup.sh)
  2. trains a tokenizer on the text of a dictionary and encodes it into token shards
  3. pretrains a small Llama on two ranks, stops half-way and goes on from the checkpoint
  4. shows what the model writes before and after, and where everything is

About a quarter of an hour on two cores the first time. Everything goes to runs/quickstart; remove that folder to begin
anew. The text is the GNU Collaborative International Dictionary of English, which Debian ships as dict-gcide (GPL).

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

# What this model was trained to: the step of its newest checkpoint, 0 without one.
trained_to() {
  local newest
  newest=$(find "$work/pretrain/checkpoints" -maxdepth 1 -name 'step-*' -printf '%f\n' 2>/dev/null | sort | tail -n 1)
  newest=${newest:-step-0}
  echo $((10#${newest#step-}))
}

# One sample line of samples.jsonl: the first or the last step's.
sample() {
  /usr/bin/python3 - "$work/pretrain/samples.jsonl" "$1" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
step = (min if sys.argv[2] == "first" else max)(line["step"] for line in lines)
for line in lines:
    if line["step"] == step:
        print("    %s|%s" % (line["prompt"], line["text"].replace("\n", "\n    ")))
PYTHON
}

say "1 of 4: set-up and build"
bash launch/setup.sh

say "2 of 4: tokenizer and token shards from $text"
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

say "3 of 4: pretraining on two ranks"
last=$("$sextant" config show --json "$config" | /usr/bin/python3 -c \
  'import json, sys; print(json.load(sys.stdin)["config"]["run"]["steps"])')
reached=$(trained_to)
if ((reached < halfway)); then
  bash launch/run.sh -n 2 -- pretrain "$config" run.stop_at=$halfway
  say "stopped at step $halfway on purpose; the same command goes on from its checkpoint"
fi
reached=$(trained_to)
if ((reached < last)); then
  bash launch/run.sh -n 2 -- pretrain "$config"
else
  echo "$work/pretrain has reached step $last"
fi

say "4 of 4: what came of it"
echo "Before training (prompt|what the model went on with):"
sample first
echo "After $last steps:"
sample last
/usr/bin/python3 - "$work/pretrain/metrics.jsonl" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
held_out = [line["valid_loss"] for line in lines if "valid_loss" in line]
print("Loss %.3f -> %.3f in %d steps of %d tokens; held-out loss %.3f (nats a token)" % (
    lines[0]["loss"], lines[-1]["loss"], lines[-1]["step"], lines[-1]["tokens"] // lines[-1]["step"], held_out[-1]))
PYTHON
cat <<TEXT

The run folder is $work/pretrain: metrics.jsonl, checkpoints, samples.jsonl, TensorBoard's events, config.yaml.
Try next:
  $sextant generate --checkpoint $work/pretrain --prompt "A musical" --tokens 60
  $sextant checkpoint inspect $work/pretrain
  mpirun -n 2 $sextant pretrain $config run.folder=runs/longer run.steps=2000
  $sextant config show $config --origins
TEXT
say "done"
