#!/usr/bin/env bash
# clang-tidy on the sources that differ from a commit, or on all of them.
set -uo pipefail

usage() {
  cat <<'TEXT'
launch/tidy.sh [--all | --since COMMIT | FILES...]

Runs clang-tidy with the checks of .clang-tidy, two sources at a time on two cores. A source that includes ATen takes
about 40 s, so without arguments only what differs from the main branch is read.

  --all             every source; about an hour on two cores
  --since COMMIT    what differs from this commit instead of main
  FILES             these sources
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
[[ -f build/cpu/compile_commands.json ]] || { echo "tidy: build first: launch/setup.sh --with-tests" >&2; exit 2; }
tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "tidy: clang-tidy is not installed" >&2; exit 2; }

changed_since() { git diff --name-only --diff-filter=d "$1" -- '*.cpp'; git ls-files -o --exclude-standard -- '*.cpp'; }

files=()
case ${1:-} in
  --help | -h) usage; exit 0 ;;
  --all) mapfile -t files < <(find parallel data trainer rlhf launch -name '*.cpp' 2>/dev/null | sort) ;;
  --since) mapfile -t files < <(changed_since "${2:?--since wants a commit}") ;;
  -*) usage >&2; exit 2 ;;
  '') mapfile -t files < <(changed_since "$(git merge-base HEAD main 2>/dev/null || echo HEAD)") ;;
  *) files=("$@") ;;
esac

mkdir -p build/tidy
# Sources compiled in batches have no command of their own: ask CMake for the commands without batches, and use what the
# build has generated.
commands=build/cpu/compile_commands.json
if grep -q 'Unity/unity_' "$commands"; then
  cmake --preset cpu -B build/tidy/plain -DSEXTANT_UNITY=OFF >/dev/null || { echo "tidy: CMake failed" >&2; exit 2; }
  sed "s#$PWD/build/tidy/plain#$PWD/build/cpu#g" build/tidy/plain/compile_commands.json >build/tidy/commands.json
  commands=build/tidy/commands.json
fi

# clang can not read g++'s precompiled header, and warns of other things: leave both to g++.
sed -E 's# -Winvalid-pch -include [^ "]*cmake_pch\.hxx##; s# -fpch-preprocess##; s# -Werror##' \
  "$commands" >build/tidy/compile_commands.json

# Only what the CPU build compiles can be read: the CUDA backends have no command there.
known=()
for file in "${files[@]}"; do
  grep -qF "\"$PWD/$file\"" build/tidy/compile_commands.json && known+=("$file")
done
((${#known[@]} > 0)) || { echo "tidy: no sources to read"; exit 0; }
echo "tidy: reading ${#known[@]} sources"
# shellcheck disable=SC2016  # the inner bash expands these
one='"$0" -p build/tidy --quiet --extra-arg=-include --extra-arg="$PWD/cmake/clang_source_location.h" "$1" 2>/dev/null || { echo "tidy: $1" >&2; exit 1; }'
if ! printf '%s\0' "${known[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c "$one" "$tidy"; then
  echo "tidy: see the findings above" >&2
  exit 1
fi
echo "tidy: ${#known[@]} sources are clean"
