# numerics.reduction=reproducible: the same weights and losses, to the bit, on every number of ranks, ZeRO stage and
# microbatch split over them, with numerics.tensor_blocks on every number of tensor ranks too, and across checkpoints that one
# layout saved and another one goes on from.
. "$(dirname "$0")/../harness/scene.sh"

steps="run.steps=12 run.checkpoint_every=4 numerics.reduction=reproducible"
go() { # RANKS FOLDER OVERRIDES...
  local n=$1 folder=$2
  shift 2
  # shellcheck disable=SC2086
  ranks "$n" pretrain "$run" run.folder="$work/$folder" $steps "$@" >"$work/log" 2>&1 ||
    fail "$folder: $(tail -n 1 "$work/log")"
}

for compute in fp32 bf16; do
  go 1 "$compute-one" numerics.compute=$compute
  grep -q "reproducible sums: " "$work/log" || fail "the run does not say what reproducible sums cost"
  want=$(sha "$work/$compute-one")
  losses "$work/$compute-one" >"$work/want"
  same() {
    [[ $(sha "$work/$1") == "$want" ]] || fail "$1: weights differ: $(sha "$work/$1"), not $want"
    losses "$work/$1" | diff "$work/want" - || fail "$1: losses differ"
  }
  for layout in "2 0" "4 0" "2 1" "4 1" "2 2" "4 2" "2 3" "4 3"; do
    read -r n stage <<<"$layout"
    go "$n" "$compute-$n-$stage" numerics.compute=$compute parallel.zero_stage="$stage"
    same "$compute-$n-$stage"
  done
  go 4 "$compute-4-shard" numerics.compute=$compute parallel.zero_stage=3 parallel.shard=2
  same "$compute-4-shard"
  # One run, a third of it on each layout: weights, optimizer and quantum are read by whoever owns them now.
  go 4 "$compute-moved" numerics.compute=$compute parallel.zero_stage=2 run.stop_at=4
  go 1 "$compute-moved" numerics.compute=$compute run.stop_at=8
  go 2 "$compute-moved" numerics.compute=$compute parallel.zero_stage=3
  same "$compute-moved"

  # In two blocks: another answer, the same one on one tensor rank and on two.
  blocks="numerics.compute=$compute numerics.tensor_blocks=2"
  # shellcheck disable=SC2086
  {
    go 1 "$compute-blocks" $blocks
    want=$(sha "$work/$compute-blocks")
    losses "$work/$compute-blocks" >"$work/want"
    [[ $want != "$(sha "$work/$compute-one")" ]] || fail "blocks change nothing: are they there?"
    go 2 "$compute-tensor" $blocks parallel.tensor=2
    same "$compute-tensor"
    go 4 "$compute-tensor-data" $blocks parallel.tensor=2 parallel.zero_stage=3
    same "$compute-tensor-data"
    go 4 "$compute-tensor-moved" $blocks parallel.tensor=2 parallel.pipeline=2 run.stop_at=4
    go 2 "$compute-tensor-moved" $blocks parallel.zero_stage=1 run.stop_at=8
    go 2 "$compute-tensor-moved" $blocks parallel.tensor=2
    same "$compute-tensor-moved"
  }
done

# Without it the last digits depend on the ranks, or there would be nothing to show.
steps="run.steps=12 run.checkpoint_every=12"
go 1 fast-one
go 4 fast-four
[[ $(sha "$work/fast-one") != "$(sha "$work/fast-four")" ]] || fail "fast sums are the same bits on four ranks"
echo "reproducible sums: 30 layouts and moves, one answer each in fp32 and bf16"
