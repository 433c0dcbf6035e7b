#!/usr/bin/env bash
# launch/tidy.sh with a program that stands in for clang-tidy: what was clean is read again only when it may differ.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "tidy: $*" >&2; echo "--- what it said:" >&2; cat "$work/log" "$work/read" >&2; exit 1; }

tree=$work/tree
mkdir -p "$tree/launch" "$tree/parallel" "$tree/data" "$tree/cmake" "$tree/build/cpu" "$work/clang"
cp "$root/launch/tidy.sh" "$tree/launch/"
cd "$tree" || exit 1
echo 'Checks: x' >.clang-tidy
echo '#include <vector>' >cmake/precompiled.h
echo 'syntax = "proto2";' >data/shape.proto
echo '#include "data/shape.pb.h"' >parallel/low.h
echo '#include "parallel/low.h"' >data/middle.h
echo '#include "data/middle.h"' >data/a.cpp
echo '#include <vector>' >data/b.cpp
echo '#include "parallel/low.h"' >data/no_command.cpp
entry='{"directory": "%s",\n "command": "c++ -O2 %s -o x.o -c %s/data/%s.cpp",\n "file": "%s/data/%s.cpp"\n}%s\n'
{
  echo '['
  # shellcheck disable=SC2059  # the format is above
  printf "$entry" \
    "$tree" "-Winvalid-pch -include $tree/build/cpu/cmake_pch.hxx" "$tree" a "$tree" a , "$tree" '' "$tree" b "$tree" b ''
  echo ']'
} >build/cpu/compile_commands.json

# Finds fault with every source that holds the word BAD.
cat >"$work/clang/clang-tidy" <<STAND_IN
#!/usr/bin/env bash
[[ \$1 == --version ]] && { echo "version \$(cat "$work/version")"; exit; }
file=\${@: -1}
[[ \$file == */batches/* ]] && { echo batch >>"$work/batches"; file=\$(sed 's/#include "\(.*\)"/\1/; s#$tree/##' "\$file"); }
printf '%s\n' \$file >>"$work/read"
! grep -H BAD \$file
STAND_IN
cat >"$work/clang/clang-23" <<STAND_IN
#!/usr/bin/env bash
echo "\$*" >>"$work/precompiled"
touch "\${@: -1}"
STAND_IN
# CMake would give each source a command, and compile a and b at a time.
cat >"$work/clang/cmake" <<STAND_IN
#!/usr/bin/env bash
mkdir -p "\$4/CMakeFiles/data.dir/Unity"
cp build/cpu/compile_commands.json "\$4"
[[ \$5 == *=OFF ]] || printf '#include "$tree/data/%s.cpp"\n' a b >"\$4/CMakeFiles/data.dir/Unity/unity_0_cxx.cxx"
STAND_IN
chmod +x "$work/clang"/*
PATH=$work/clang:$PATH
echo 1 >"$work/version"
export SEXTANT_CLANG=$work/clang

tidy() { : >"$work/read"; bash launch/tidy.sh "$@" >"$work/log" 2>&1; }
# reads NAMES...: a run over everything is clean and reads these of a and b.
reads() {
  tidy --all || fail "exit code $? where all is clean"
  local wanted
  wanted=$(printf 'data/%s.cpp\n' "$@" | sed '/\/\.cpp/d')
  [[ $(sort "$work/read") == "$wanted" ]] || fail "read $(tr '\n' ' ' <"$work/read"), not: $*"
}

reads a b
[[ $(<"$work/batches") == batch ]] || fail "a and b were not read at a time"
reads ''
[[ $(<"$work/precompiled") == *"-O2 "*"-x c++-header $tree/cmake/precompiled.h -o $tree/build/tidy/precompiled.pch" ]] ||
  fail "the header was not compiled once: $(<"$work/precompiled")"
grep -q -- "-include-pch $tree/build/tidy/precompiled.pch .*/a.cpp" build/tidy/compile_commands.json || fail "not used for a"
! grep -q -- '-include-pch .*/b.cpp' build/tidy/compile_commands.json || fail "used for b"
echo '// more' >>cmake/precompiled.h
reads a b
[[ $(wc -l <"$work/precompiled") == 2 ]] || fail "the header was not compiled again"
echo '// more' >>data/b.cpp
reads b
echo '// more' >>parallel/low.h
reads a
echo '// more' >>data/shape.proto
reads a
echo 'Checks: x, y' >.clang-tidy
reads a b
echo 2 >"$work/version"
reads a b
sed -i 's#-O2 \(.*/b\.cpp\)#-O3 \1#' build/cpu/compile_commands.json
reads b
reads ''

echo '// BAD' >>data/a.cpp
for try in first second; do
  tidy --all && fail "a finding gave exit code 0 on the $try try"
  grep -q 'data/a.cpp:// BAD' "$work/log" || fail "the finding was not shown on the $try try"
done
tidy data/b.cpp || fail "another source than the bad one was refused"
sed -i '$d' data/a.cpp
reads ''  # as it was when it was clean
tidy data/no_command.cpp || fail "a source without a command gave exit code $?"
grep -q 'no sources to read' "$work/log" || fail "a source without a command was read"
rm build/cpu/compile_commands.json
tidy --all
[[ $? == 2 ]] || fail "no build did not give exit code 2"
grep -q 'build first' "$work/log" || fail "it did not say to build first"
echo "tidy: what was clean is left alone"
