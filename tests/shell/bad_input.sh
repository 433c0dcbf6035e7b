# What bad input gets: one clear message from one rank, exit 2 or 1, no hang, nothing lost.
. "$(dirname "$0")/../harness/scene.sh"

# refused RANKS CODE TEXT [override...]: pretrain leaves with CODE and says TEXT exactly once.
refused() {
  local n=$1 code=$2 text=$3 result
  shift 3
  ranks "$n" pretrain "$run" run.folder="$work/bad" "$@" >"$work/out" 2>"$work/err"
  result=$?
  [[ $result == "$code" ]] || fail "'$text': exit code $result, not $code: $(cat "$work/err")"
  local said
  said=$(grep -cE "$text" "$work/err")
  [[ $said == 1 ]] || fail "'$text' was said $said times: $(cat "$work/err")"
}
flip() { # FILE OFFSET
  /usr/bin/python3 -c 'import sys
path, at = sys.argv[1], int(sys.argv[2])
data = bytearray(open(path, "rb").read()); data[at] ^= 1; open(path, "wb").write(data)' "$1" "$2"
}
copy_shard() { for end in bin idx sums; do [[ -e $work/train.$end ]] && cp "$work/train.$end" "$work/$1.$end"; done; }

# Configuration and layout.
refused 2 2 'run.yaml:3.*learning_rate|learning_rate' optimizer.learning_rate=fast
refused 2 2 'global_batch' run.global_batch=7
refused 2 2 'mpirun started 2 ranks' parallel.data=4
refused 3 2 'global_batch' # 8 rows over 3 ranks
refused 2 2 'vocabulary' model.vocabulary=300

# Data.
refused 2 2 'nowhere' data.train='[nowhere]'
refused 2 2 'no-tokenizer.json' data.tokenizer=no-tokenizer.json
head -c 200 "$work/tok.json" >"$work/short.json"
refused 2 2 'short.json' data.tokenizer="$work/short.json"
copy_shard cut
truncate -s 100 "$work/cut.bin"
refused 2 2 'cut\.(bin|idx)' data.train="[$work/cut]"
copy_shard index
truncate -s 50 "$work/index.idx"
refused 2 2 'index.idx' data.train="[$work/index]"
copy_shard flipped
flip "$work/flipped.idx" 3
refused 2 2 'flipped.idx' data.train="[$work/flipped]"
copy_shard bits
flip "$work/bits.bin" 1000
ranks 2 pretrain "$run" run.folder="$work/bits_run" data.train="[$work/bits]" >"$work/out" 2>"$work/err"
code=$?
[[ $code == 2 || $code == 1 ]] || fail "a flipped bit in a shard: exit code $code"
grep -q 'bits.bin' "$work/err" || fail "a flipped bit in a shard is not named: $(cat "$work/err")"
: >"$work/empty.txt"
"$sextant" data build --tokenizer "$work/tok.json" --output "$work/empty" "$work/empty.txt" >/dev/null 2>"$work/err"
if [[ $? == 0 ]]; then refused 2 2 'empty' data.train="[$work/empty]"; else grep -q empty "$work/err" || fail "empty corpus"; fi

# A damaged checkpoint is named, not passed over; the run folder keeps it.
ranks 2 pretrain "$run" run.folder="$work/good" run.steps=20 >/dev/null 2>&1 || fail "a good run"
flip "$work/good/checkpoints/step-00000020/rank-00000.safetensors" 3000
ranks 2 pretrain "$run" run.folder="$work/good" run.steps=30 optimizer.warmup_steps=1 >"$work/out" 2>"$work/err"
[[ $? == 2 ]] || fail "a damaged checkpoint: $(cat "$work/err")"
[[ $(grep -c 'step-00000020/rank-00000.safetensors' "$work/err") == 1 ]] || fail "damage unnamed: $(cat "$work/err")"
"$sextant" checkpoint verify "$work/good" >"$work/out" 2>&1 && fail "verify passes a damaged checkpoint"
grep -q 'rank-00000.safetensors' "$work/out" || fail "verify does not name the file"
flip "$work/good/checkpoints/step-00000020/rank-00000.safetensors" 3000
"$sextant" checkpoint verify "$work/good" >/dev/null 2>&1 || fail "verify refuses a whole checkpoint"
flip "$work/good/checkpoints/step-00000020/manifest.pb" 60
ranks 2 pretrain "$run" run.folder="$work/good" run.steps=30 >"$work/out" 2>"$work/err" && fail "a damaged manifest"
grep -q 'manifest.pb' "$work/err" || fail "a damaged manifest is not named: $(cat "$work/err")"

# Another model than the checkpoint's.
ranks 1 pretrain "$run" run.folder="$work/other" run.steps=10 >/dev/null 2>&1 || fail "a run of ten steps"
ranks 1 pretrain "$run" run.folder="$work/other" run.steps=20 model.layers=3 run.seed=9 >"$work/out" 2>"$work/err"
[[ $? == 2 ]] || fail "another model goes on"
grep -q 'model.layers: 2 -> 3' "$work/err" && grep -q 'run.seed: 3 -> 9' "$work/err" || fail "$(cat "$work/err")"

# Instructions that the processor has not: told before anything is done, by one rank.
SEXTANT_SIMD=mmx ranks 2 pretrain "$run" run.folder="$work/simd" >"$work/out" 2>"$work/err"
[[ $? == 1 && ! -e $work/simd ]] || fail "a bad SEXTANT_SIMD: $(cat "$work/err")"
[[ $(grep -c "SEXTANT_SIMD is 'mmx' but this processor has plain" "$work/err") == 1 ]] || fail "$(cat "$work/err")"
SEXTANT_SIMD=mmx "$sextant" --version >/dev/null || fail "--version needs a right SEXTANT_SIMD"

# A full disk while saving: exit 1, the older checkpoint stays whole.
mkdir "$work/small"
if mount -t tmpfs -o size=1500k tmpfs "$work/small" 2>/dev/null; then
  trap 'umount "$work/small"; rm -rf "$work"' EXIT
  ranks 2 pretrain "$run" run.folder="$work/small/run" run.keep_last=50 run.checkpoint_every=5 >"$work/out" 2>"$work/err"
  [[ $? == 1 ]] || fail "a full disk: $(tail -n 3 "$work/err")"
  [[ $(grep -c 'No space left' "$work/err") == 1 ]] || fail "a full disk is said otherwise: $(cat "$work/err")"
  "$sextant" checkpoint verify "$work/small/run" >/dev/null 2>&1 || fail "the older checkpoint is damaged"
fi
echo "bad input: refused as it should be"
