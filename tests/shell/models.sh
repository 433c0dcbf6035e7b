# Models in and out as a user does it: import, generate, training further from it, export and import again.
. "$(dirname "$0")/../harness/scene.sh"
golden=$source_root/tests/golden
"$sextant" checkpoint import "$golden/hugging_face/llama" --output "$work/llama" >/dev/null || fail "import"
"$sextant" generate --checkpoint "$work/llama" --prompt 'the cat' --tokens 5 --temperature 0 >/dev/null ||
  fail "generate from an import"
"$sextant" checkpoint verify "$work/llama" >/dev/null || fail "an import is not whole"
"$sextant" checkpoint import "$golden/gguf/llama.gguf" --output "$work/gguf" >/dev/null || fail "import of GGUF"

# Prompts begin with the token that transformers and llama.cpp put in front, where they do.
"$sextant" checkpoint import "$golden/gguf/llama3.gguf" --output "$work/llama3" >/dev/null || fail "import of Llama 3"
first_ids() { "$sextant" generate --checkpoint "$1" --prompt 'the' --tokens 1 --json | grep -o '"prompt_ids":[^]]*'; }
[[ $(first_ids "$work/llama3") == '"prompt_ids":[1,'* ]] || fail "no opening token: $(first_ids "$work/llama3")"
[[ $(first_ids "$work/gguf") != '"prompt_ids":[1,'* ]] || fail "an opening token that its tokenizer has not"
printf 'the' >"$work/the.txt"
"$sextant" score --checkpoint "$work/llama3" "$work/the.txt" | grep -q '"first_id":1,' || fail "score has no opening token"

# A run starts from it: model and tokenizer are its own, the loss of the first step is the imported model's.
"$sextant" data build --tokenizer "$work/llama/tokenizer.json" --output "$work/bytes" "$work/text.txt" >/dev/null 2>&1 ||
  fail "data build"
cat >"$work/further.yaml" <<YAML
run: {start_from: $work/llama, steps: 6, global_batch: 4, micro_batch: 2, checkpoint_every: 3, log_every: 1}
model: {context: 32}
optimizer: {learning_rate: 1e-3}
data: {tokenizer: $work/llama/tokenizer.json, train: [$work/bytes]}
YAML
ranks 2 pretrain "$work/further.yaml" run.folder="$work/run" run.stop_at=3 >"$work/log" 2>&1 ||
  fail "$(tail -n 1 "$work/log")"
grep -q "starting from the weights of $work/llama" "$work/log" || fail "does not say what it starts from"
ranks 1 pretrain "$work/further.yaml" run.folder="$work/other" run.steps=1 optimizer.learning_rate=1e-9 \
  >"$work/log" 2>&1 || fail "$(tail -n 1 "$work/log")"
[[ $(losses "$work/run" | head -n 1 | cut -c 1-10) == $(losses "$work/other" | head -n 1 | cut -c 1-10) ]] ||
  fail "two runs from the same weights begin with different losses"

# It goes on from its own checkpoints, even when what it started from is gone.
mv "$work/llama" "$work/moved"
ranks 2 pretrain "$work/further.yaml" run.folder="$work/run" data.tokenizer="$work/moved/tokenizer.json" \
  >"$work/log" 2>&1 || fail "going on: $(tail -n 1 "$work/log")"
grep -q "going on from .*step-00000003" "$work/log" || fail "does not go on from its own checkpoint"
mv "$work/moved" "$work/llama"

# Another shape or another tokenizer is refused, with the key.
"$sextant" pretrain "$work/further.yaml" model.layers=3 run.folder="$work/none" 2>"$work/err"
[[ $? == 2 ]] && grep -q 'model.layers: 3 differs from 2 of the model in' "$work/err" || fail "$(cat "$work/err")"
"$sextant" pretrain "$work/further.yaml" data.tokenizer="$work/tok.json" model.vocabulary=400 \
  run.folder="$work/none" 2>"$work/err"
[[ $? == 2 ]] || fail "another vocabulary is not refused"

# The trained model goes out with the files that came with the import, and comes in again as the same weights.
"$sextant" checkpoint export "$work/run" --output "$work/exported" >/dev/null || fail "export"
for file in chat_template.jinja tokenizer.json tokenizer_config.json generation_config.json; do
  cmp "$golden/hugging_face/llama/$file" "$work/exported/$file" || fail "$file is not given back"
done
grep -q '"max_position_embeddings": 32' "$work/exported/config.json" || fail "config.json has another context"
"$sextant" checkpoint import "$work/exported" --output "$work/again" >/dev/null || fail "import of an export"
[[ $(sha "$work/again" | cut -d ' ' -f 2) == $(sha "$work/run" | cut -d ' ' -f 2) ]] || fail "other weights"

# A model of our own, trained from nothing, can be exported too.
ranks 1 pretrain "$run" run.folder="$work/own" run.steps=1 run.checkpoint_every=1 >"$work/log" 2>&1 ||
  fail "$(tail -n 1 "$work/log")"
"$sextant" checkpoint export "$work/own" --output "$work/own_hf" --type bf16 --shard-bytes 9000 >/dev/null || fail "own"
grep -q '"LlamaForCausalLM"' "$work/own_hf/config.json" || fail "architecture of our own model"
[[ -e $work/own_hf/model.safetensors.index.json && -e $work/own_hf/tokenizer_config.json ]] || fail "files of the export"
"$sextant" checkpoint import "$work/own_hf" --output "$work/own_again" >/dev/null || fail "import of our own"

# What can not be: exit code 2, and nothing is left behind.
"$sextant" checkpoint import "$work/text.txt" --output "$work/no" 2>"$work/err"
[[ $? == 2 && ! -e $work/no ]] || fail "a text file is imported"
"$sextant" checkpoint export "$work/run" --output "$work/exported" 2>"$work/err"
[[ $? == 2 ]] && grep -q 'is there already' "$work/err" || fail "an export is overwritten"
echo "models: in, further and out"
