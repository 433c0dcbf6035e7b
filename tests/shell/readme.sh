#!/usr/bin/env bash
# README and docs keep up with the program: every command has a row, every row a command, and links lead somewhere.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
fail() { echo "readme: $*" >&2; exit 1; }

# names_of COMMAND...: its subcommands, as --help lists them.
names_of() { "$SEXTANT" "$@" --help | sed -n '/^Subcommands:/,/^$/ s/^  \([a-z][a-z-]*\) .*/\1/p'; }
table=$(sed -n '/^## Commands/,/^Every command/p' README.md)
# shellcheck disable=SC2016  # backticks of Markdown
rows=$(grep -o '^| `[^`]*`' <<<"$table" | tr -d '|`' | sed 's/^ *//')
commands=$(names_of)
[[ -n $commands && -n $rows ]] || fail "no commands or no table"

for command in $commands; do
  grep -q "^$command\b" <<<"$rows" || fail "the command '$command' has no row in README's table"
  for part in $(names_of "$command"); do
    grep -Eq "^$command ([a-z-]+/)*$part(/|$)" <<<"$rows" || fail "'$command $part' is not in README's table"
  done
  "$SEXTANT" "$command" --help | grep -q 'Example' || fail "'$command --help' has no example"
done
while read -r command parts; do
  grep -qx "$command" <<<"$commands" || fail "README names '$command', which the program has not"
  for part in ${parts//\// }; do
    names_of "$command" | grep -qx "$part" || fail "README names '$command $part', which the program has not"
  done
done <<<"$rows"

for page in *.md docs/*.md; do
  while read -r target; do
    [[ -e $(dirname "$page")/$target ]] || fail "$page links to $target, which is not there"
  done < <(grep -o '](\([^)#]*\)' "$page" | sed 's/^](//' | grep -v '^[a-z]*:' )
done
# shellcheck disable=SC2016
for script in $(grep -o '`launch/[a-z._]*`\|`tests/[a-z/._]*sh`' README.md | tr -d '`'); do
  [[ -e $script ]] || fail "README names $script, which is not there"
done
echo "readme: commands, links and scripts are there"
