#!/usr/bin/env bash
# Every source is formatted as .clang-format says. Mend with: clang-format-14 -i FILES
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

# Versions of clang-format disagree; 14 is Debian 12's.
format=$(command -v clang-format-14 || command -v clang-format) || { echo "format: clang-format is not installed"; exit 1; }
version=$("$format" --version)
[[ $version == *" 14."* ]] || { echo "format: clang-format 14 is needed, this is $version"; exit 1; }

rooms=()
for room in parallel data trainer rlhf launch tests cmake; do [[ -d $room ]] && rooms+=("$room"); done
mapfile -t sources < <(find "${rooms[@]}" -name '*.h' -o -name '*.cpp' -o -name '*.cu' | sort)
((${#sources[@]} > 0)) || { echo "format: no sources found"; exit 1; }
"$format" --dry-run -Werror "${sources[@]}" || exit 1
echo "format: ${#sources[@]} files are formatted"
