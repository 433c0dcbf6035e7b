#!/usr/bin/env bash
# launch/slurm.sbatch with programs that stand in for mpirun and scontrol: queued again when time is up, not when cancelled.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "slurm: $*" >&2; cat "$work/log" >&2; exit 1; }

mkdir "$work/bin"
cat >"$work/bin/mpirun" <<FAKE
#!/usr/bin/env bash
echo "\$*" >"$work/mpirun"
trap 'sleep 0.3; exit 75' USR1
touch "$work/trains"
for _ in \$(seq 200); do sleep 0.1; done
FAKE
printf '#!/usr/bin/env bash\necho "$*" >>"%s/scontrol"\n' "$work" >"$work/bin/scontrol"
chmod +x "$work"/bin/*
export PATH=$work/bin:$PATH SLURM_SUBMIT_DIR=$PWD SLURM_NTASKS=4 SLURM_JOB_ID=17 SLURM_CPUS_PER_TASK=3
unset OMP_NUM_THREADS

# ends_with SIGNAL: the job's exit code after this signal.
ends_with() {
  rm -f "$work/trains" "$work/scontrol"
  SEXTANT=$(type -P true) bash launch/slurm.sbatch pretrain run.yaml >"$work/log" 2>&1 &
  local job=$!
  for _ in $(seq 100); do [[ -e $work/trains ]] && break; sleep 0.1; done
  kill "-$1" "$job"
  wait "$job"
}

ends_with USR1
code=$?
[[ $code == 75 ]] || fail "USR1 gave exit code $code, not 75"
[[ $(cat "$work/scontrol" 2>/dev/null) == "requeue 17" ]] || fail "the job was not queued again"
grep -q -- '-n 4 .* pretrain run.yaml$' "$work/mpirun" || fail "mpirun was called with: $(cat "$work/mpirun")"
grep -q -- '-x OMP_NUM_THREADS' "$work/mpirun" || fail "the threads that Slurm gives do not reach the ranks"
! grep -q -- '--oversubscribe' "$work/mpirun" || fail "Slurm's placement is overridden"

ends_with TERM
code=$?
[[ $code == 75 ]] || fail "TERM gave exit code $code, not 75"
[[ ! -e $work/scontrol ]] || fail "a cancelled job was queued again"
echo "slurm.sbatch: saves, and is queued again when time is up"
