#!/usr/bin/env bash
# sextant data contamination as a user runs it: planted overlaps in shards and files are found with their place, scores
# are told with and without, and bad input is refused with one message.
set -uo pipefail
sextant=${SEXTANT:?the executable}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
fail() { echo "contamination: $*" >&2; exit 1; }

/usr/bin/python3 - <<'P'
import json, random
random.seed(1)
words = ["".join(random.choice("abcdefghijklmnop") for _ in range(random.randint(2, 8))) for _ in range(4000)]
def text(n): return " ".join(random.choice(words) for _ in range(n))
items = [{"question": text(30) + "?", "choices": [text(5), text(5)], "id": i} for i in range(40)]
documents = [text(400) for _ in range(50)]
documents[7] += " " + items[3]["question"].replace(" ", " -- ") + " " + text(50)   # as it stands, with symbols between
documents[9] += " " + items[5]["question"].upper()                                # words alone: letter case differs
documents[11] += "".join(items[8]["question"].split())                            # characters alone: no spaces
with open("eval.jsonl", "w") as f:
    for item in items: f.write(json.dumps(item) + "\n")
with open("train.jsonl", "w") as f:
    for document in documents: f.write(json.dumps({"text": document}) + "\n")
with open("samples.jsonl", "w") as f:
    for i in range(40):
        f.write(json.dumps({"task": "t", "index": i, "grade": 1 if i in (3, 5, 8) or i % 2 else 0}) + "\n")
P
"$sextant" tokenizer train --vocabulary 400 --output tok.json train.jsonl >/dev/null 2>&1 || fail "tokenizer train"
"$sextant" data build --tokenizer tok.json --output train train.jsonl >/dev/null 2>&1 || fail "data build"
gzip -k train.jsonl

find_in() { "$sextant" data contamination eval.jsonl --field question --substrings all --json "$@"; }
find_in --train train --tokenizer tok.json --samples samples.jsonl --task t --output copy.json >shard.json || fail "shards: $?"
find_in --text train.jsonl.gz --threads 1 >file.json || fail "files: $?"
cmp -s shard.json copy.json || fail "--output and --json differ"
/usr/bin/python3 - <<'P' || fail "the report is not what was planted"
import json
shard, file = json.load(open("shard.json")), json.load(open("file.json"))
for report in (shard, file):
    found = {i["index"]: i for i in report["contaminated_items"]}
    assert sorted(found) == [3, 5, 8] and report["contaminated"] == 3 and report["share"] == 3 / 40, found
    assert found[3]["characters"][0]["document"] == 7 and found[3]["words"][0]["document"] == 7
    assert found[5]["words"][0]["document"] == 9 and found[5]["characters"] == []
    assert found[8]["characters"][0]["document"] == 11 and found[8]["words"] == []
    assert report["training"]["documents"] == 50 and report["training"]["megabytes_per_second"] > 0
documents = [json.loads(line)["text"] for line in open("train.jsonl")]
place = {i["index"]: i for i in file["contaminated_items"]}[8]["characters"][0]
assert documents[11].encode()[place["position"]:].startswith(place["needle"].encode()), place
scores = shard["scores"]
assert scores["all"]["items"] == 40 and scores["clean"]["items"] == 37 and scores["lower"] == "clean"
assert abs(scores["all"]["mean"] - 21 / 40) < 1e-12 and abs(scores["clean"]["mean"] - 18 / 37) < 1e-12
assert scores["contaminated"]["mean"] == 1
P
"$sextant" data contamination eval.jsonl --field question --train train --tokenizer tok.json --samples samples.jsonl >text ||
  fail "the table"
grep -q "MB/s on" text || fail "no speed: $(cat text)"
grep -q "the lower one, to be told: 0.4" text || fail "the lower score is not named: $(cat text)"

# refuses TEXT ARGUMENTS...: exit code 2 and one line on stderr that has the text.
refuses() {
  local text=$1 code=0
  shift
  "$sextant" data contamination "$@" >out 2>err || code=$?
  [[ $code == 2 ]] || fail "exit code $code instead of 2: $*"
  grep -qF -- "$text" err || fail "'$text' is not in: $(cat err)"
  [[ $(wc -l <err) -le 2 && ! -s out ]] || fail "more than one message for: $*"
}
refuses "there is no training text" eval.jsonl --field question
refuses "say --tokenizer" eval.jsonl --field question --train train
refuses "eval.jsonl:1: there is no text under query; the line has question, choices, id" eval.jsonl --field query --text train.jsonl
refuses "none.idx" eval.jsonl --field question --train none --tokenizer tok.json
refuses "leave nothing to look for" eval.jsonl --field question --text train.jsonl --substrings none --no-words
head -c 300 /dev/urandom >noise.jsonl
refuses "noise.jsonl:1" noise.jsonl --field question --text train.jsonl
sed -i '2s/"index": 1/"index": 99/' samples.jsonl
refuses "samples.jsonl:2: index 99" eval.jsonl --field question --text train.jsonl --samples samples.jsonl
head -c 3000 train.jsonl.gz >short.jsonl.gz
refuses "short.jsonl.gz" eval.jsonl --field question --text short.jsonl.gz
truncate -s -100 train.bin
refuses "train.bin" eval.jsonl --field question --train train --tokenizer tok.json
echo "contamination: finds what was planted, with its place, and tells the lower score"
