#!/usr/bin/env bash
# Starts a command under mpirun, stops it in good order when asked to, and starts it again when it fails.
set -uo pipefail

usage() {
  cat <<'TEXT'
launch/run.sh -n RANKS [options] -- COMMAND FILE.yaml [key.path=value ...]

    launch/run.sh -n 8 -- pretrain configs/pretrain/gpt_124m.yaml parallel.tensor=2
    launch/run.sh -n 32 --hosts launch/hosts.example --mpi "--mca btl_tcp_if_include eth0" -- pretrain run.yaml

  -n RANKS           ranks in all
  --hosts FILE       hosts and their slots (launch/hosts.example); without it all ranks run here
  --mpi "OPTIONS"    passed to mpirun as they are; may be given again
  --folder FOLDER    the run folder, where the command can not say it by itself
  --restarts N       restarts without a new checkpoint before it gives up (3)
  --backoff SECONDS  wait before the first of them; doubles up to 60 s (2)
  --help             this text

TERM, INT (Ctrl-C), HUP or USR1 sent to this script stop the run in good order: a checkpoint, then exit 75. A second
INT ends it at once. A run that fails goes on from its newest checkpoint; one refused for bad input (exit 2) does not.

Exit code: 0 done, 75 stopped in good order, 2 bad input, 1 failed for good.
SEXTANT is the executable (build/cpu/sextant). OMP_NUM_THREADS, NCCL_*, UCX_* and CUDA_* reach every rank.
TEXT
}

say() { printf '[%(%F %T)T] run.sh: %s\n' -1 "$*" >&2; }
refuse() { say "$*"; say "see launch/run.sh --help"; exit 2; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sextant=${SEXTANT:-$root/build/cpu/sextant}
ranks='' hosts='' folder='' restarts=3 backoff=2 grace=20
extra=()

whole() { [[ $2 =~ ^[1-9][0-9]*$ ]] || refuse "$1 wants a whole number above 0, not '$2'"; }

read_arguments() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage; exit 0 ;;
      --) shift; command=("$@"); return ;;
      -n | --hosts | --mpi | --folder | --restarts | --backoff)
        (($# > 1)) || refuse "$1 wants a value"
        case $1 in
          -n) whole "$1" "$2"; ranks=$2 ;;
          --hosts) [[ -r $2 ]] || refuse "the host file '$2' is not there or can not be read"; hosts=$2 ;;
          --mpi) read -r -a words <<<"$2"; extra+=("${words[@]}") ;;
          --folder) folder=$2 ;;
          --restarts) [[ $2 =~ ^[0-9]+$ ]] || refuse "--restarts wants a whole number, not '$2'"; restarts=$2 ;;
          --backoff) [[ $2 =~ ^[0-9]+(\.[0-9]+)?$ ]] || refuse "--backoff wants seconds, not '$2'"; backoff=$2 ;;
        esac
        shift 2 ;;
      *) refuse "unknown argument '$1' (the command stands after --)" ;;
    esac
  done
}

# The run folder as the command itself resolves it; empty where it has none.
run_folder() {
  local yaml=
  for word in "${command[@]:1}"; do [[ $word == *.yaml || $word == *.yml ]] && yaml=$word && break; done
  [[ -n $yaml ]] || return 0
  local overrides=()
  for word in "${command[@]:1}"; do [[ $word == *=* && $word != -* ]] && overrides+=("$word"); done
  "$sextant" config show --json "$yaml" "${overrides[@]}" 2>/dev/null |
    grep -o '"folder": *"[^"]*"' | head -n 1 | sed 's/^"folder": *"//; s/"$//'
}

newest_checkpoint() {
  [[ -n $folder ]] || return 0
  find "$folder/checkpoints" -maxdepth 1 -name 'step-*[0-9]' -printf '%f\n' 2>/dev/null | sort | tail -n 1
}

mpi_options() {
  local variable size
  options=(--quiet --bind-to none -n "$ranks")
  [[ $(id -u) -eq 0 ]] && options+=(--allow-run-as-root)
  if [[ -n $hosts ]]; then
    options+=(--hostfile "$hosts")
  elif [[ -z ${SLURM_JOB_ID:-} ]]; then
    # mpirun counts cores as slots; more ranks than that must not spin while they wait for each other.
    options+=(--oversubscribe)
    ((ranks > $(nproc))) && options+=(--mca mpi_yield_when_idle 1)
  fi
  # Otherwise each rank takes its share of its host's cores.
  [[ -n ${SLURM_CPUS_PER_TASK:-} ]] && export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$SLURM_CPUS_PER_TASK}
  if [[ -t 2 ]] && size=$(stty size <&2 2>/dev/null); then
    export SEXTANT_TERMINAL_COLUMNS=${size#* }
  fi
  # Ranks on other hosts get only the environment that is named.
  for variable in $(compgen -e | grep -E '^(OMP_NUM_THREADS$|SEXTANT_|NCCL_|UCX_|CUDA_)'); do
    options+=(-x "$variable")
  done
  options+=("${extra[@]}")
}

stop_asked='' job='' presses=0 trapped=''
# shellcheck disable=SC2317  # called by the traps below
on_stop() {
  trapped=yes
  [[ $1 == INT ]] && presses=$((presses + 1))
  if ((presses > 1)) && [[ -n $job ]]; then
    say "second INT: ending the run at once"
    kill -TERM "$job" 2>/dev/null
    return
  fi
  [[ -n $stop_asked ]] && return
  stop_asked=$1
  say "$1: asking the run to stop in good order"
  # mpirun forwards USR1 at once; a TERM it would turn into KILL after two seconds.
  [[ -n $job ]] && kill -USR1 "$job" 2>/dev/null
}

crash_notes() {
  [[ -n $folder ]] && find "$folder" -maxdepth 2 -name 'crash-rank-*.txt' -newer "$started" 2>/dev/null | sort
}

# mpirun tells the daemons of other hosts to end their ranks, and waits for them: for a quarter of an hour where the link to
# one is dead. Once a rank has said why it ends, there is nothing to wait for.
end_what_does_not_end() { # PID
  # What sleeps must not keep the script's output open once it is killed.
  while [[ -z $(crash_notes) ]]; do sleep 2 >/dev/null 2>&1; done
  sleep "$grace" >/dev/null 2>&1
  say "mpirun has not ended $grace s after a rank gave up: is a host or its link dead? Ending it"
  kill -KILL -- "-$1" 2>/dev/null
}

# Runs the job once; its exit code is in `code`.
run_once() {
  # A session of its own: Ctrl-C on the terminal reaches this script alone.
  setsid mpirun "${options[@]}" "$sextant" "${command[@]}" </dev/null &
  job=$!
  end_what_does_not_end "$job" &
  local watcher=$!
  # A stop that came while mpirun was being started.
  [[ -n $stop_asked ]] && kill -USR1 "$job" 2>/dev/null
  local result
  code=1
  while :; do
    trapped=''
    wait "$job"
    result=$?
    # 127: the turn before this one had its true code already.
    ((result == 127)) || code=$result
    # A trapped signal ends `wait` early, with a code that is not the job's.
    [[ -n $trapped && $result -ne 127 ]] || break
  done
  job=''
  kill "$watcher" 2>/dev/null
  wait "$watcher" 2>/dev/null
}

code_text() {
  if (($1 > 128 && $1 < 160)); then
    echo "exit code $1: a rank was killed by SIG$(kill -l $(($1 - 128)) 2>/dev/null)"
  else
    echo "exit code $1"
  fi
}

# What dying ranks left behind says more than an exit code.
show_crash_notes() {
  local note
  while read -r note; do
    say "$note: $(head -n 1 "$note")"
  done < <(crash_notes | head -n 8)
}

# Sleeps, but wakes at once when a stop is asked for.
pause() {
  sleep "$1" &
  local sleeper=$!
  wait "$sleeper"
  kill "$sleeper" 2>/dev/null
}

# Restarts until the run is over, or has failed too often since its last new checkpoint.
supervise() {
  local without_progress=0 wait_s=$backoff before after
  while :; do
    before=$(newest_checkpoint)
    touch "$started"
    say "starting $ranks ranks of ${command[0]}${before:+, which goes on from $before}"
    run_once
    case $code in
      0) say "done"; return 0 ;;
      75) say "stopped in good order; start it again and it goes on"; return 75 ;;
      2) say "refused: the message above says what to mend"; return 2 ;;
    esac
    if [[ -n $stop_asked ]]; then
      # USR1 kills a rank that has not begun yet: nothing was done, so nothing is lost.
      ((code == 138)) && { say "stopped before the first step; start it again"; return 75; }
      say "failed while stopping ($(code_text "$code")); newest checkpoint: $(newest_checkpoint)"
      return 1
    fi
    show_crash_notes
    after=$(newest_checkpoint)
    if [[ $after != "$before" ]]; then without_progress=0 wait_s=$backoff; fi
    if ((without_progress >= restarts)); then
      say "giving up: $restarts restarts brought no checkpoint newer than ${after:-none}; last seen: $(code_text "$code")"
      return 1
    fi
    without_progress=$((without_progress + 1))
    say "failed ($(code_text "$code")); restart $without_progress in $wait_s s; newest checkpoint: ${after:-none}"
    pause "$wait_s"
    [[ -n $stop_asked ]] && { say "stopped between two starts; start it again and it goes on"; return 75; }
    wait_s=$(awk -v s="$wait_s" 'BEGIN { print (s * 2 > 60 ? 60 : s * 2) }')
  done
}

command=()
read_arguments "$@"
[[ -n $ranks ]] || refuse "-n RANKS is missing"
((${#command[@]} > 0)) || refuse "the command to run is missing; it stands after --"
command -v mpirun >/dev/null || refuse "mpirun is not installed: run launch/setup.sh"
[[ -x $sextant ]] || refuse "'$sextant' is not there: run launch/setup.sh, or name it in SEXTANT"
[[ -n $folder ]] || folder=$(run_folder)
started=$(mktemp)
trap 'rm -f "$started"' EXIT
trap 'on_stop TERM' TERM
trap 'on_stop INT' INT
trap 'on_stop HUP' HUP
trap 'on_stop USR1' USR1
mpi_options
supervise
exit $?
