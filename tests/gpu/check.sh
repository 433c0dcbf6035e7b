#!/usr/bin/env bash
# The GPU tests and the throughput benchmark, with one command, on a machine with a GPU, a CUDA 13 driver and
# PyTorch 2.11 for python3. Nothing is built here: gpu-package/ comes from tests/gpu/package.sh.
#
#   bash tests/gpu/check.sh        or, with the package alone: bash gpu-package/check.sh
#
# PACKAGE names the package's folder, OUT where results go (gpu-results): results.md, results.json, check.log.
# Leaves with 0 when every test passed and everything was measured, 1 otherwise, 2 when this machine can not run it.
# shellcheck disable=SC2317  # functions are called through step
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ -e "$here/BUILD" ]; then package="${PACKAGE:-$here}"; else package="${PACKAGE:-$here/../../gpu-package}"; fi
out="${OUT:-gpu-results}"

refuse() {
  echo "check.sh: $1" >&2
  exit 2
}

# --- can this machine run it?
if ! command -v nvidia-smi >/dev/null && ! [ -e /dev/nvidiactl ] && ! [ -e /dev/dxg ]; then
  refuse "no NVIDIA GPU here (no nvidia-smi, no /dev/nvidiactl); run this on a machine that has one"
fi
[ -x "$package/bin/sextant" ] || refuse "$package holds no build: make it with tests/gpu/package.sh, or set PACKAGE"
package="$(cd "$package" && pwd)"
python3 -c 'import torch' 2>/dev/null || refuse "python3 has no torch: install PyTorch 2.11 for CUDA 13"
python3 - <<'P' || exit 2
import sys
import torch

version, cuda = torch.__version__, torch.version.cuda or "none"
if not version.startswith("2.11.") or not cuda.startswith("13"):
    sys.exit(f"check.sh: PyTorch is {version} for CUDA {cuda}; the build needs 2.11 for CUDA 13")
if not torch.cuda.is_available():
    sys.exit("check.sh: PyTorch sees no GPU: is the driver one for CUDA 13 (580 or later)? See nvidia-smi")
P

devices="$(python3 -c 'import torch; print(torch.cuda.device_count())')"

mkdir -p "$out" || refuse "$out can not be made"
out="$(cd "$out" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# Golden values are read from the checkout that this script lies in, not from where the tests were built.
checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

# --- PyTorch's libraries and, beside it, those of the nvidia packages; then the few that came along
torch_folders="$(python3 - <<'P'
import pathlib
import torch

site = pathlib.Path(torch.__file__).parent.parent
print(":".join(map(str, [site / "torch" / "lib", *sorted(site.glob("nvidia/*/lib"))])))
P
)"
# Only our programs see these: python3 keeps its own libraries. OpenMPI and PMIx find their plugins and messages
# below the package instead of the places that they were built for; one machine needs no remote shell.
ours() {
  local pmix="$package/lib/x86_64-linux-gnu/pmix2"
  env LD_LIBRARY_PATH="$torch_folders:$package/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    SEXTANT_CHECKOUT="$checkout" OPAL_PREFIX="$package" PMIX_PKGLIBDIR="$pmix/lib/pmix" PMIX_PKGDATADIR="$pmix/share/pmix" \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm=isolated OMPI_MCA_btl=self,vader \
    OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_rmaps_base_oversubscribe=1 \
    OMPI_MCA_hwloc_base_binding_policy=none PATH="$package/bin:$PATH" "$@"
}

failed=0
step() { # NAME COMMAND...: runs it, says how it went
  local name="$1" started=$SECONDS code
  shift
  echo
  echo "== $name"
  "$@"
  code=$?
  if [ "$code" -ne 0 ]; then
    echo "== $name FAILED with exit code $code after $((SECONDS - started)) s"
    failed=1
  fi
  return 0
}

# Rank 0 prints and reports; a failure of any rank shows in mpirun's exit code.
gpu_tests_alone() {
  ours mpirun --quiet -n 1 gpu_test --gtest_output="json:$work/gpu_test_1_rank.json"
}

# Several ranks on one GPU: only the tests made for it, whose suites are called ...Ranks.
gpu_tests_together() {
  ours mpirun --quiet -n 1 gpu_test --gtest_filter='*Ranks*' --gtest_output="json:$work/gpu_test_2_ranks.json" \
    : -n 1 gpu_test --gtest_filter='*Ranks*' --gtest_brief=1
}

# With several GPUs, a rank on each: what NCCL is for.
gpu_tests_spread() {
  ours mpirun --quiet -n 1 gpu_test --gtest_filter='Nccl*:All/Nccl*' --gtest_output="json:$work/gpu_test_nccl.json" \
    : -n "$((devices - 1))" gpu_test --gtest_filter='Nccl*:All/Nccl*' --gtest_brief=1
}

throughput() {
  (cd "$work/bench" && ours mpirun --quiet -n 1 sextant pretrain gpt_124m.yaml) || return 1
  cp "$work/bench/runs/throughput/metrics.jsonl" "$work/metrics.jsonl" && cp "$work/metrics.jsonl" "$out/"
}

peer() { # MODE
  python3 "$package/peer.py" --shard "$package/corpus/shard" --mode "$1" --output "$work/peer_$1.json"
}

main() {
  cat "$package/BUILD"
  cp "$package/BUILD" "$work/BUILD"
  mkdir "$work/bench" && cp -r "$package/corpus" "$package/gpt_124m.yaml" "$work/bench/"
  step "device" python3 "$package/report.py" device "$work"
  [ "$failed" -eq 0 ] || return 1
  step "version" ours sextant --version
  step "GPU tests, one rank" gpu_tests_alone
  step "GPU tests, two ranks on one GPU" gpu_tests_together
  [ "$devices" -eq 1 ] || step "GPU tests, a rank on each of $devices GPUs" gpu_tests_spread
  step "sextant pretrain, GPT-2 124M, bf16" throughput
  step "PyTorch, eager" peer eager
  step "PyTorch, torch.compile" peer compile
  step "results" python3 "$package/report.py" table "$work" "$out"
  find "$work" -maxdepth 1 -name 'gpu_test_*.json' -exec cp {} "$out/" \;
  echo
  if [ "$failed" -eq 0 ]; then echo "check.sh: all passed"; else echo "check.sh: FAILED, see above"; fi
  echo "results are in $out"
  return "$failed"
}

main 2>&1 | tee "$out/check.log"
exit "${PIPESTATUS[0]}"
