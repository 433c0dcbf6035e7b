# Ranks that share sequences train as one rank does: losses and held-out loss, packed documents, both kinds of context
# parallelism, beside data replicas, through mpirun.
. "$(dirname "$0")/../harness/scene.sh"

# go NAME RANKS OVERRIDES...: ten steps in fp64.
go() {
  local name=$1 n=$2
  shift 2
  ranks "$n" pretrain "$run" run.folder="$work/$name" run.steps=10 run.checkpoint_every=0 run.evaluate_every=5 \
    run.micro_batch=1 numerics.compute=fp64 "$@" >"$work/log" 2>&1 || fail "$name: $(tail -n 1 "$work/log")"
}

go one 1
go window 1 model.sliding_window=9
go ring 2 parallel.context=2
go ring4 4 parallel.context=4
go ulysses 2 parallel.context=2 parallel.context_kind=ulysses
go replicas 4 parallel.context=2 parallel.data=2
go ring_window 4 parallel.context=4 model.sliding_window=9
go ulysses_window 4 parallel.context=4 parallel.context_kind=ulysses model.sliding_window=9

# fp64 sums in another order: 1e-10 leaves room for ten steps.
/usr/bin/python3 - "$work" <<'PYTHON' || fail "another answer"
import json, sys
def lines(name):
    return [json.loads(line) for line in open(f"{sys.argv[1]}/{name}/metrics.jsonl")]
pairs = [(n, "one") for n in ("ring", "ring4", "ulysses", "replicas")]
pairs += [(n, "window") for n in ("ring_window", "ulysses_window")]
bad = 0
for name, reference in pairs:
    ours, want = lines(name), lines(reference)
    assert len(ours) == len(want) == 10, (name, len(ours))
    worst = max(
        abs(a[key] - b[key]) / abs(b[key])
        for a, b in zip(ours, want)
        for key in ("loss", "grad_norm", "valid_loss")
        if b.get(key) is not None
    )
    assert any(b.get("valid_loss") is not None for b in want)
    print(f"{name}: {worst:.1e}")
    bad += worst > 1e-10
sys.exit(bad > 0)
PYTHON

# Generation's samples are drawn by one rank of the shared ones.
go samples 2 parallel.context=2 'run.sample_prompts=["The "]' run.sample_tokens=8
[[ -s $work/samples/samples.jsonl ]] || fail "no samples"

refused=$(ranks 2 pretrain "$run" run.folder="$work/no" parallel.context=2 model.context=30 2>&1) && fail "accepted"
[[ $refused == *"can not be cut into 4 equal pieces"* ]] || fail "refusal says: $refused"
