# Several hosts: two network namespaces with names of their own, joined by a link, and ranks that mpirun's remote agent starts on
# both. A run over them ends with the weights of a run on one host, on a slow link too, and after a link that broke.
. "$(dirname "$0")/../harness/scene.sh"

skip() { echo "skipped: $*"; exit 77; }
(($(id -u) == 0)) || skip "only root may make network namespaces"
command -v ip >/dev/null && command -v tc >/dev/null || skip "iproute2 is not installed (launch/setup.sh --with-tests)"

near=sextant-near-$$ far=sextant-far-$$
clean() {
  local host
  for host in "$near" "$far"; do
    ip netns pids "$host" 2>/dev/null | xargs -r kill -KILL
    ip netns del "$host" 2>/dev/null
  done
  rm -rf "$work"
}
trap clean EXIT
ip netns add "$near" 2>"$work/log" && ip netns add "$far" 2>>"$work/log" || skip "no network namespaces: $(tail -n 1 "$work/log")"
ip -n "$near" link add cable type veth peer name cable netns "$far" 2>"$work/log" || skip "no virtual links: $(tail -n 1 "$work/log")"
ip -n "$near" address add 10.77.0.1/24 dev cable
ip -n "$far" address add 10.77.0.2/24 dev cable
for host in "$near" "$far"; do
  ip -n "$host" link set lo up
  ip -n "$host" link set cable up
done
printf '%s slots=2\n' "$near" "$far" >"$work/hosts"

# agent HOST COMMAND...: what ssh would do.
cat >"$work/agent" <<'AGENT'
#!/usr/bin/env bash
host=$1
shift
exec ip netns exec "$host" unshare --uts bash -c 'hostname "$0"; eval "$1"' "$host" "$*"
AGENT
chmod +x "$work/agent"
"$work/agent" "$far" true 2>"$work/log" || skip "no program may enter another namespace: $(tail -n 1 "$work/log")"
network="--mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24"

# on_both COMMAND...: by launch/run.sh, started on the near host, two ranks on each.
on_both() {
  timeout 200 "$work/agent" "$near" "$(printf '%q ' env SEXTANT="$sextant" bash "$source_root/launch/run.sh" -n 4 --hosts "$work/hosts" \
    --restarts 0 --mpi "$network --mca plm_rsh_agent $work/agent" -- "$@")"
}

# sent: bytes that have left the near host.
sent() { ip -n "$near" -s -j link show cable | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["stats64"]["tx"]["bytes"])'; }

common="run.steps=12 run.checkpoint_every=4"
# go FOLDER OVERRIDES...: on both hosts.
go() {
  local folder=$1
  shift
  # shellcheck disable=SC2086
  on_both pretrain "$run" run.folder="$work/$folder" $common "$@" >"$work/log" 2>&1 || fail "$folder: $(tail -n 3 "$work/log")"
}
# here RANKS FOLDER OVERRIDES...: on this host alone.
here() {
  local n=$1 folder=$2
  shift 2
  # shellcheck disable=SC2086
  ranks "$n" pretrain "$run" run.folder="$work/$folder" $common "$@" >"$work/log" 2>&1 || fail "$folder: $(tail -n 1 "$work/log")"
}
same() { # FOLDER REFERENCE
  [[ $(sha "$work/$1") == "$(sha "$work/$2")" ]] || fail "$1: weights differ from those of $2"
  diff <(losses "$work/$2") <(losses "$work/$1") || fail "$1: losses differ from those of $2"
}

# Reproducible sums: one rank's answer.
here 1 one numerics.reduction=reproducible
before=$(sent)
go data numerics.reduction=reproducible parallel.zero_stage=2
same data one
(($(sent) - before > 500000)) || fail "the hosts have exchanged $(($(sent) - before)) bytes: are they two?"

# Fast sums: the answer of the same layout on one host. Tensor ranks stay inside a host, or cross the link with pipeline stages inside.
for layout in "tensor=2" "pipeline=2 context=2"; do
  axes=()
  for axis in $layout; do axes+=("parallel.$axis"); done
  here 4 "here-${layout// /-}" "${axes[@]}"
  go "both-${layout// /-}" "${axes[@]}"
  same "both-${layout// /-}" "here-${layout// /-}"
done
# communication FOLDER: seconds of all steps that went by in waiting for others, on the rank that keeps the metrics.
communication() {
  /usr/bin/python3 -c 'import json, sys
print(sum(json.loads(line)["seconds_communication"] for line in open(sys.argv[1])))' "$work/$1/metrics.jsonl"
}

# A slow link, of 2.5 MB/s, changes the time and nothing else.
before=$(sent)
for host in "$near" "$far"; do
  tc -n "$host" qdisc add dev cable root tbf rate 20mbit burst 16kb latency 200ms 2>"$work/log" ||
    skip "links can not be made slow (what came before held): $(tail -n 1 "$work/log")"
done
go slow numerics.reduction=reproducible parallel.zero_stage=2
same slow one
bytes=$(($(sent) - before))
on_both plan "$run" --layouts 2 >"$work/log" 2>&1 || fail "plan: $(tail -n 3 "$work/log")"
grep "GB/s), measured here" "$work/log"
[[ $(grep -c "GB/s), measured here" "$work/log") == 2 ]] || fail "plan has not measured both networks"
grep "between machines" "$work/log" | awk -F'[( ]' '{ for (i = 1; i < NF; ++i) if ($(i + 1) ~ /^GB/) exit !($i < 0.01) }' ||
  fail "plan has not seen that the link is slow"
for host in "$near" "$far"; do tc -n "$host" qdisc del dev cable root; done
echo "communication: $(communication data) s, on a slow link $(communication slow) s for $bytes bytes"
awk -v bytes="$bytes" -v slow="$(communication slow)" 'BEGIN { exit !(slow > 0.4 * bytes / 2.5e6) }' ||
  fail "the link was not slow: what did the run send over it?"

# A link that breaks ends the run with a reason, and does not hang it; what comes after goes on from the checkpoint.
common="run.steps=2000 run.checkpoint_every=4 run.stop_at=200 numerics.reduction=reproducible parallel.collective_timeout_seconds=4"
# shellcheck disable=SC2086
on_both pretrain "$run" run.folder="$work/broken" $common parallel.zero_stage=2 >"$work/log" 2>&1 &
job=$!
for _ in $(seq 600); do
  grep -q '"step": 6,' "$work/broken/metrics.jsonl" 2>/dev/null && break
  sleep 0.1
done
ip -n "$near" link set cable down
began=$SECONDS
wait "$job"
code=$?
ip -n "$near" link set cable up
grep -A3 "has not ended after 4 s" "$work/log" || fail "nothing says what the ranks waited for: $(tail -n 3 "$work/log")"
((code == 1)) || fail "a broken link: exit code $code: $(tail -n 3 "$work/log")"
((SECONDS - began < 60)) || fail "a broken link held the run for $((SECONDS - began)) s"
[[ $(sha "$work/broken") != 200\ * ]] || fail "the link broke too late"
here 1 unbroken
go broken parallel.zero_stage=2
same broken unbroken
echo "hosts: two of them give one host's bits, on a slow link too, and a run outlives a broken one"
