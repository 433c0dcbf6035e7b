# Sourced by tests/shell/*.sh: a small corpus, its tokenizer and shards, and a run of seconds, in a folder of its own.
# Leaves $work, $run (the YAML) and the functions below.
set -uo pipefail
sextant=${SEXTANT:?the executable}
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1

fail() { echo "FAILED: $*" >&2; exit 1; }

# ranks N COMMAND...: under mpirun, quiet, however many cores there are.
ranks() {
  local n=$1
  shift
  timeout 120 mpirun --allow-run-as-root --oversubscribe --quiet --bind-to none --mca mpi_yield_when_idle 1 -n "$n" \
    "$sextant" "$@"
}

# sha RUN_FOLDER: step and hash of its newest checkpoint's weights.
sha() {
  "$sextant" checkpoint inspect "$1" --json | /usr/bin/python3 -c \
    'import json, sys; d = json.load(sys.stdin); print(d["step"], d["weights_sha256"])'
}

# losses RUN_FOLDER: step and loss of every line, as they stand in the file.
losses() {
  /usr/bin/python3 -c 'import json, sys
for line in open(sys.argv[1]):
    d = json.loads(line); print(d["step"], repr(d["loss"]))' "$1/metrics.jsonl"
}

# The project's own pages are text enough for runs of seconds.
cat "$source_root"/docs/*.md "$source_root"/LICENSE >"$work/text.txt"
"$sextant" tokenizer train --vocabulary 384 --output "$work/tok.json" "$work/text.txt" >/dev/null 2>&1 ||
  fail "tokenizer train"
"$sextant" data build --tokenizer "$work/tok.json" --new-document-at '^#' --valid-fraction 0.1 \
  --output "$work/train" "$work/text.txt" >/dev/null 2>&1 || fail "data build"
run=$work/run.yaml
cat >"$run" <<YAML
run: {steps: 60, seed: 3, global_batch: 8, micro_batch: 2, checkpoint_every: 10, log_every: 1}
model: {kind: llama, layers: 2, width: 32, heads: 4, kv_heads: 2, ffn_width: 64, context: 32}
optimizer: {learning_rate: 3e-3}
data: {tokenizer: $work/tok.json, train: [$work/train], valid: [$work/train_valid]}
YAML
