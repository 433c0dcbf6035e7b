#!/bin/bash
# sextant data build and inspect, driven as a user does: text, JSON lines and gzip to a shard and back to text.
set -euo pipefail
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
has() { grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "'$2' is not in the output"; }; }
# refused CODE TEXT COMMAND...: leaves with CODE and says TEXT.
refused() {
  local code=0 want=$1 text=$2; shift 2
  "$@" >"$WORK/said" 2>&1 || code=$?
  [ "$code" -eq "$want" ] || { cat "$WORK/said" >&2; fail "exit $code, not $want: $*"; }
  has "$WORK/said" "$text"
}

cd "$WORK"
for i in $(seq 1 200); do
  echo "# Chapter $i"
  echo "The lighthouse keeper wrote $i letters, and nobody answered any of them before the winter came."
done >book.txt
"$SEXTANT" tokenizer train --vocabulary 400 --output tok.json book.txt >/dev/null 2>&1

"$SEXTANT" data build --tokenizer tok.json --output out/book --new-document-at '^# ' book.txt >build.txt 2>progress.txt
has build.txt "out/book: 200 documents"
"$SEXTANT" data inspect out/book --tokenizer tok.json --samples 200 --sample-tokens 1000 --verify >inspect.txt
has inspect.txt "documents  200"
has inspect.txt '"# Chapter 77\nThe lighthouse keeper wrote 77 letters, and nobody'

# The same text in other wrappings gives the same ids.
sed 's/.*/{"id": 1, "body": "&\\n"}/' <(paste -d '\f' - - <book.txt | sed 's/\f/\\n/') >book.jsonl
gzip -k book.txt
gzip -k book.jsonl
"$SEXTANT" data build --tokenizer tok.json --output out/gz --new-document-at '^# ' --threads 3 book.txt.gz >/dev/null 2>&1
"$SEXTANT" data build --tokenizer tok.json --output out/json --json-key body book.jsonl.gz >/dev/null 2>&1
"$SEXTANT" data build --tokenizer tok.json --output out/pipe --new-document-at '^# ' <(cat book.txt) >/dev/null 2>&1
for other in gz json pipe; do
  cmp out/book.bin "out/$other.bin" || fail "$other differs"
  cmp out/book.idx "out/$other.idx" || fail "$other differs"
done

"$SEXTANT" data build --tokenizer tok.json --output out/split --valid-fraction 0.2 --new-document-at '^# ' book.txt >split.txt 2>&1
has split.txt "out/split_valid: "
"$SEXTANT" data inspect out/split_valid --json --samples 1 >inspect.json
has inspect.json '"type": "u16"'

refused 2 "none.txt: can not be opened" "$SEXTANT" data build --tokenizer tok.json --output out/x none.txt
refused 2 "name the text's key with --json-key" "$SEXTANT" data build --tokenizer tok.json --output out/x book.jsonl
refused 2 "the file is truncated" "$SEXTANT" data build --tokenizer tok.json --output out/x --format text \
  <(head -c 100 book.txt.gz)
refused 2 "is wrong at character" "$SEXTANT" data build --tokenizer tok.json --output out/x --new-document-at '(' book.txt
refused 2 "--output is required" "$SEXTANT" data build --tokenizer tok.json book.txt
refused 2 "x.idx: no such file" "$SEXTANT" data inspect out/x
refused 2 "give the shard's prefix" "$SEXTANT" data inspect out/book.bin
printf 'x' | dd of=out/book.bin bs=1 seek=7 conv=notrunc status=none
refused 2 "out/book.bin: byte 0: the" "$SEXTANT" data inspect out/book --verify
[ "$(ls out/x* 2>/dev/null | wc -l)" -eq 0 ] || fail "a refused build left a file"
echo "data build and inspect: all as they should be"
