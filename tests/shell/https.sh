# sextant eval of a served model and by a served judge over https: a certificate that ca_file vouches for, one that nobody does,
# a judge beside a checkpoint.
. "$(dirname "$0")/../harness/scene.sh"
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=here -addext subjectAltName=IP:127.0.0.1 \
  -keyout "$work/key.pem" -out "$work/certificate.pem" 2>"$work/log" || fail "no certificate: $(cat "$work/log")"
cat >"$work/server.py" <<'PYTHON'
import http.server, json, os, ssl, sys

# Answers a conversation with the sum that it asks for; as a judge, with Y where a text is even in length.
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_POST(self):
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
        open(sys.argv[1] + "/requests", "a").write(json.dumps(text) + "\n")
        said = "Y" if len(text) % 2 == 0 else "N"
        if not text.startswith("Right?"): said = str(sum(map(int, text.split("+"))))
        body = json.dumps({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
service.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/certificate.pem", sys.argv[1] + "/key.pem")
service.socket = context.wrap_socket(service.socket, server_side=True)
open(sys.argv[1] + "/port.new", "w").write(str(service.server_address[1]))
os.rename(sys.argv[1] + "/port.new", sys.argv[1] + "/port")
service.serve_forever()
PYTHON
/usr/bin/python3 "$work/server.py" "$work" 2>"$work/server.log" &
trap 'kill $!; rm -rf "$work"' EXIT
for _ in $(seq 200); do [[ -s $work/port ]] && break; sleep 0.05; done
url=https://127.0.0.1:$(cat "$work/port")/v1

/usr/bin/python3 - "$work" <<'PYTHON'
import json, sys
with open(sys.argv[1] + "/items.jsonl", "w") as file:
    for i in range(8):
        file.write(json.dumps({"input": [{"role": "user", "content": "%d+%d" % (i, i)}], "ideal": str(2 * i)}) + "\n")
PYTHON
printf 'prompt: "Right? {completion}"\nchoice_strings: YN\nchoice_scores: {Y: 1, N: 0}\neval_type: classify\n' >"$work/judge.yaml"
cat >"$work/tasks.yaml" <<YAML
eval:
  data_folder: $work
  resamples: 0
  tasks:
    - {name: sums, kind: generation, data: items.jsonl, messages_field: input, ideals_field: ideal, grading: match, tokens: 6}
    - {name: judged, kind: generation, data: items.jsonl, messages_field: input, grading: model_graded, tokens: 6, judge: {spec: $work/judge.yaml}}
YAML
here="endpoint.url=$url eval.endpoint.model=good"
# shellcheck disable=SC2086
{
  ranks 1 eval "$work/tasks.yaml" eval.$here eval.endpoint.ca_file="$work/certificate.pem" eval.folder="$work/served" >"$work/log" 2>&1 ||
    fail "https: $(tail -n 3 "$work/log")"
  [[ $(grep -c '"accuracy":1' "$work/served/samples.jsonl") == 8 ]] || fail "not what the server said: $(head -n 2 "$work/served/samples.jsonl")"
}

# A certificate that nobody vouches for: no second attempt, and what to do.
refused() {
  local what=$1 code=$2 expected=$3
  shift 3
  ranks 1 eval "$work/tasks.yaml" "$@" >"$work/log" 2>&1
  [[ $? == "$code" ]] || fail "$what: exit code is not $code: $(cat "$work/log")"
  grep -q -- "$expected" "$work/log" || fail "$what: '$expected' is not in $(cat "$work/log")"
}
begun=$SECONDS
# shellcheck disable=SC2086
{
  refused "an unknown authority" 1 "name one in endpoint.ca_file" eval.$here eval.folder="$work/r1"
  ((SECONDS - begun < 6)) || fail "a certificate that is not believed was asked for again"
  refused "what is no certificate" 1 "holds no certificates in PEM form" eval.$here eval.endpoint.ca_file="$work/tasks.yaml" eval.folder="$work/r2"
}

# A checkpoint under test, with a served judge.
ranks 1 pretrain "$run" run.steps=1 run.folder="$work/base" >"$work/log" 2>&1 || fail "pretrain: $(tail -n 1 "$work/log")"
judge=(eval.checkpoint="$work/base" "eval.judge.endpoint.url=$url" "eval.judge.endpoint.ca_file=$work/certificate.pem")
good=eval.judge.endpoint.model=good
ranks 2 eval "$work/tasks.yaml" "${judge[@]}" $good eval.folder="$work/judged" >"$work/log" 2>&1 || fail "a served judge: $(tail -n 3 "$work/log")"
/usr/bin/python3 - "$work" <<'PYTHON' || fail "the judge's words are not the server's"
import json, sys
samples = [json.loads(line) for line in open(sys.argv[1] + "/judged/samples.jsonl")]
judged = [s for s in samples if s["task"] == "judged"]
assert len(judged) == 8 and len({s["judge"]["choice"] for s in judged}) >= 1
for s in judged:
    asked = s["judge"]["messages"][0]["content"]
    assert asked.startswith("Right? ") and asked.endswith(s["completion"]), s
    assert s["judge"]["choice"] == ("Y" if len(asked) % 2 == 0 else "N"), s
PYTHON
refused "another judge in the same folder" 2 "holds another evaluation" "${judge[@]}" eval.judge.endpoint.model=other eval.folder="$work/judged"
refused "two judges" 2 "a judge is a checkpoint or an endpoint" "${judge[@]}" $good eval.judge.checkpoint="$work/base" eval.folder="$work/r3"
refused "a judge without a name" 2 "eval.judge.endpoint.model" "${judge[@]}" eval.folder="$work/r4"
refused "a judge that ranks would share" 2 "do not share a served model" "${judge[@]}" $good parallel.tensor=2 eval.folder="$work/r5"
echo "https: a served model and a served judge behind a certificate of their own; unknown and unreadable ones refused at once"
