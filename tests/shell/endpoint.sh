# sextant eval of a served model, against a small server of the test's own: chat, completions and likelihoods, a judge, the API
# key, busy and broken servers, garbage, a reply that never ends and one that never comes.
set -uo pipefail
sextant=${SEXTANT:?the executable}
work=$(mktemp -d)
server=
trap '[[ -n $server ]] && kill "$server"; rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
fail() { echo "FAILED: $*" >&2; exit 1; }

cat >"$work/server.py" <<'PYTHON'
import http.server, json, sys, threading, time
seen, lock = {}, threading.Lock()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def reply(self, status, body, headers={}):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items(): self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(raw)
        model, key = asked["model"], self.headers.get("Authorization", "")
        with lock:
            seen[raw] = seen.get(raw, 0) + 1
            first = seen[raw] == 1
            open(sys.argv[1] + "/requests", "ab").write(self.path.encode() + b" " + raw + b"\n")
        if model == "locked" and key != "Bearer open sesame":
            return self.reply(401, {"error": {"message": "no such key:\n%s, %s" % (key, "x" * 1000)}})
        if model == "busy" and first: return self.reply(429, b"later", {"Retry-After": "0"})
        if model == "broken": return self.reply(500, b"oh no")
        if model == "garbage": return self.reply(200, b"<html>" + b"\xff" * 100)
        if model == "empty": return self.reply(200, {"choices": []})
        if model == "hang": time.sleep(30)
        if model == "cut":
            self.send_response(200); self.send_header("Content-Length", "1000"); self.end_headers()
            self.wfile.write(b'{"choices": ['); self.close_connection = True
            return
        if model == "endless":
            self.send_response(200); self.end_headers(); self.close_connection = True
            try:
                while True: self.wfile.write(b" " * 1000000)
            except OSError: return
        if self.path == "/v1/chat/completions":
            text = asked["messages"][-1]["content"]
            if text.startswith("Right?"): said = "Reasons.\nY" if text.endswith("4") else "N" if text.endswith("6") else "?"
            else: said = str(eval(text.split("\n")[-1].rstrip("="), {})) + "\nand more"
            return self.reply(200, {"choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]})
        if not asked.get("echo"):
            return self.reply(200, {"choices": [{"text": " 7" + asked["prompt"][-1], "finish_reason": "length"}]})
        # Tokens of three characters; the longer a text, the less likely; one new token behind it.
        text = asked["prompt"]
        tokens = [text[i:i + 3] for i in range(0, len(text), 3)] + ["new"]
        lps = [None] + [-0.1 * (1 + t.count("x")) for t in tokens[1:]]
        tops = [None] + [{"?": -0.15} for t in tokens[1:]]
        logprobs = {"tokens": tokens, "token_logprobs": lps, "top_logprobs": tops, "text_offset": list(range(0, 3 * len(tokens), 3))}
        choice = {"text": text + "new"} if model == "blind" else {"text": text + "new", "logprobs": logprobs}
        self.reply(200, {"choices": [choice]})

service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
service.daemon_threads = True
open(sys.argv[1] + "/port.new", "w").write(str(service.server_address[1]))
__import__("os").rename(sys.argv[1] + "/port.new", sys.argv[1] + "/port")
service.serve_forever()
PYTHON
/usr/bin/python3 "$work/server.py" "$work" 2>"$work/server.log" &
server=$!
for _ in $(seq 200); do [[ -s $work/port ]] && break; sleep 0.05; done
url=http://127.0.0.1:$(cat "$work/port")/v1

/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
with open(sys.argv[1] + "/items.jsonl", "w") as file:
    for i in range(12):
        file.write(json.dumps({"q": "%d+%d=" % (i, i), "a": str(2 * i if i % 3 else 1), "input": [{"role": "user", "content": "%d+%d" % (i, 2)}],
                               "options": ["x" * (i % 4), "éx", "xyxy"], "gold": i % 3, "text": "döc %d xx" % i}) + "\n")
PYTHON
printf 'prompt: "Right? {completion}"\nchoice_strings: YN\nchoice_scores: {Y: 1, N: 0}\neval_type: cot_classify\n' >"$work/judge.yaml"
cat >"$work/tasks.yaml" <<YAML
eval:
  endpoint: {url: $url/, model: good}
  data_folder: $work
  resamples: 20
  tasks:
    - {name: sums, kind: generation, data: items.jsonl, prompt: "Add.\n{{q}}", target: "{{a}}", stop: ["\n"], tokens: 9}
    - {name: judged, kind: generation, data: items.jsonl, messages_field: input, grading: model_graded, stop: ["\n"], judge: {spec: $work/judge.yaml}}
    - {name: options, kind: multiple_choice, data: items.jsonl, prompt: "Prömpt", choices_field: options, gold: "{{gold}}"}
    - {name: documents, kind: perplexity, data: items.jsonl, prompt: "{{text}}"}
YAML
evaluate() { timeout 100 "$sextant" eval "$work/tasks.yaml" "$@"; }

evaluate eval.folder="$work/one" >"$work/log" 2>&1 || fail "eval: $(tail -n 3 "$work/log")"
/usr/bin/python3 - "$work" <<'PYTHON' || fail "records are not what the server said"
import json, sys
items = [json.loads(line) for line in open(sys.argv[1] + "/items.jsonl")]
samples = [json.loads(line) for line in open(sys.argv[1] + "/one/samples.jsonl")]
assert len(samples) == 48, len(samples)
for s in samples:
    item, i = items[s["index"]], s["index"]
    if s["task"] == "sums":
        assert s["prompt"] == "Add.\n" + item["q"] and s["completion"] == str(2 * i) and s["ended"], s
        assert s["grade"]["exact_match"] == (i % 3 != 0), s
    if s["task"] == "judged":
        assert s["completion"] == str(i + 2) and s["judge"]["messages"][0]["content"] == "Right? %d" % (i + 2), s
        choice = {"4": "Y", "6": "N"}.get(str(i + 2)[-1], "__invalid__")
        assert s["judge"]["choice"] == choice and s["grade"]["score"] == (choice == "Y") and s["grade"]["invalid"] == (choice == "__invalid__")
    if s["task"] == "options":
        for option, text in zip(s["options"], item["options"]):
            whole = "Prömpt " + text
            tokens = [whole[j:j + 3] for j in range(0, len(whole), 3)]
            lps = [-0.1 * (1 + t.count("x")) for j, t in enumerate(tokens) if min(3 * j + 3, len(whole)) > 6]
            assert abs(option["log_likelihood"] - sum(lps)) < 1e-12 and option["tokens"] == len(lps), (option, lps)
            assert option["greedy"] == all(lp >= -0.15 for lp in lps), option
    if s["task"] == "documents":
        tokens = [item["text"][j:j + 3] for j in range(0, len(item["text"]), 3)]
        assert abs(s["grade"]["log_likelihood"] - sum(-0.1 * (1 + t.count("x")) for t in tokens[1:])) < 1e-12, s
        assert s["grade"]["tokens"] == len(tokens) - 1
PYTHON

# The same records from two ranks; and where the server is busy at first. What was stopped goes on.
timeout 100 mpirun --allow-run-as-root --oversubscribe --quiet --bind-to none --mca mpi_yield_when_idle 1 -n 2 \
  "$sextant" eval "$work/tasks.yaml" eval.folder="$work/two" >"$work/log" 2>&1 || fail "two ranks: $(tail -n 3 "$work/log")"
cmp "$work/one/samples.jsonl" "$work/two/samples.jsonl" || fail "two ranks have other records"
evaluate eval.folder="$work/busy" eval.endpoint.model=busy >"$work/log" 2>&1 || fail "busy: $(tail -n 3 "$work/log")"
cmp "$work/one/samples.jsonl" "$work/busy/samples.jsonl" || fail "a busy server gives other records"
mkdir "$work/part"
cp "$work/one/eval.json" "$work/part" && head -n 20 "$work/one/samples.jsonl" >"$work/part/samples.jsonl"
lines=$(wc -l <"$work/requests")
evaluate eval.folder="$work/part" >"$work/log" 2>&1 || fail "going on: $(tail -n 3 "$work/log")"
cmp "$work/one/samples.jsonl" "$work/part/samples.jsonl" || fail "gone on with, it has other records"
(($(wc -l <"$work/requests") - lines < 70)) || fail "what has its record was asked again"

# Texts as they stand, with samples that are drawn apart.
evaluate eval.folder="$work/texts" eval.endpoint.texts=completions eval.tasks.0.temperature=0.5 eval.limit=2 >"$work/log" 2>&1 ||
  fail "texts: $(tail -n 3 "$work/log")"
grep -q '"completion":" 7="' "$work/texts/samples.jsonl" || fail "texts do not go to completions"
grep -q '^/v1/completions .*"seed"' "$work/requests" || fail "draws have no seed"

# The key is sent, and is nowhere to be read.
SESAME="open sesame" evaluate eval.folder="$work/key" eval.endpoint.model=locked eval.endpoint.key_variable=SESAME >"$work/log" 2>&1 ||
  fail "the key: $(tail -n 3 "$work/log")"
! grep -rq "open sesame" "$work/key" "$work/log" || fail "the key stands in a file"

# refused WHAT CODE EXPECTED ARGUMENTS...: one message that says so, in time.
refused() {
  local what=$1 code=$2 expected=$3
  shift 3
  evaluate eval.folder="$work/refused" eval.limit=1 eval.endpoint.attempts=2 "$@" >"$work/log" 2>&1
  local got=$?
  [[ $got == "$code" ]] || fail "$what: exit code $got, not $code: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
  [[ $(wc -c <"$work/log") -lt 1500 ]] || fail "$what: it goes on and on"
  rm -rf "$work/refused"
}
export WRONG_KEY=guessed-secret
refused "a wrong key" 2 "status 401: no such key: Bearer \*\*\*" eval.endpoint.model=locked eval.endpoint.key_variable=WRONG_KEY
! grep -q guessed-secret "$work/log" || fail "the refused key is shown"
refused "no key" 2 "the environment has no NO_SUCH_KEY" eval.endpoint.key_variable=NO_SUCH_KEY
refused "a broken server" 1 "status 500: oh no" eval.endpoint.model=broken
refused "garbage" 1 "no completion as OpenAI's interface has it" eval.endpoint.model=garbage
refused "an empty reply" 1 "no completion as OpenAI's interface has it" eval.endpoint.model=empty
refused "a reply that is cut" 1 "after 2 attempts" eval.endpoint.model=cut
refused "a hang" 1 "no whole reply in 0.3 s" eval.endpoint.model=hang eval.endpoint.timeout_seconds=0.3
refused "a reply without an end" 1 "longer than 67108864 bytes" eval.endpoint.model=endless
refused "no log-probabilities" 2 "gives no log-probabilities of a prompt" eval.endpoint.model=blind
refused "nobody there" 1 "after 2 attempts" eval.endpoint.url=http://127.0.0.1:1/v1
refused "another protocol" 2 "begins with http:// or https://" eval.endpoint.url=file:///etc/passwd
refused "both" 2 "give one of them" eval.checkpoint="$work"
refused "a shared model" 2 "do not share a served model" parallel.tensor=2
echo "endpoint: chat, texts, likelihoods and a judge over HTTP; the key unseen; busy, broken, cut and silent servers"
