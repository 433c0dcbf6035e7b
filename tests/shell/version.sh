#!/usr/bin/env bash
# sextant --version: commit, build and libraries, each with a value.
set -uo pipefail
fail() { echo "version: $*" >&2; echo "$text" >&2; exit 1; }

text=$("$SEXTANT" --version) || fail "--version gave exit code $?"
grep -Eq '^sextant [0-9]+\.[0-9]+\.[0-9]+$' <<<"$text" || fail "the version is missing"
grep -Eq '^  build +[A-Z][A-Za-z]+.*, (GNU|Clang) [0-9.]+$' <<<"$text" || fail "the build is missing"
grep -Eq '^  libtorch +2\.11\.0$' <<<"$text" || fail "libtorch is not 2.11.0"
for name in MPI protobuf yaml-cpp; do
  grep -Eq "^  $name +.*[0-9]+\.[0-9]+\.[0-9]+$" <<<"$text" || fail "$name's version is missing"
done
for name in processor accelerator; do
  grep -Eq "^  $name +[A-Za-z]" <<<"$text" || fail "the $name is missing"
done
# The commit is that of the checkout it was built from.
root=$(dirname "$0")/../..
if commit=$(git -C "$root" describe --always --match 'v[0-9]*' 2>/dev/null); then
  grep -Eq "^  commit +$commit(-dirty)?$" <<<"$text" || fail "the commit is not $commit"
fi
echo "version: complete"
