#!/usr/bin/env bash
# Bash completion: the script loads, and offers what the executable really has.
set -uo pipefail
fail() { echo "completion: $*" >&2; exit 1; }

script=$("$SEXTANT" completion bash) || fail "sextant completion bash gave exit code $?"
# shellcheck source=/dev/null
source /dev/stdin <<<"$script" || fail "the script does not load"
complete -p sextant >/dev/null || fail "nothing is registered for sextant"

# offers WORDS...: what TAB gives after them; the last one is being typed.
offers() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMPREPLY=()
  _sextant
  echo " ${COMPREPLY[*]} "
}
has() { [[ $1 == *" $2 "* ]] || fail "'$2' is missing in:$1"; }
lacks() { [[ $1 != *" $2 "* ]] || fail "'$2' should not be in:$1"; }

# Every command that --help names is offered, with every long option that its own help names.
commands=$("$SEXTANT" --help | sed -n '/^Subcommands:/,/^$/ s/^  \([a-z][a-z-]*\) .*/\1/p')
[[ -n $commands ]] || fail "--help names no commands"
for command in $commands; do
  has "$(offers sextant '')" "$command"
  for option in $("$SEXTANT" "$command" --help | grep -o '^ *\(-[a-z],\)*--[a-z-]*' | grep -o -- '--[a-z-]*'); do
    has "$(offers sextant "$command" --)" "$option"
  done
done
has "$(offers sextant comp)" completion
has "$(offers sextant --v)" --version
lacks "$(offers sextant '')" --version

# Keys after a YAML file, and the values that a key may have. Bash cuts words at "=".
has "$(offers sextant pretrain run.yaml parallel.t)" parallel.tensor=
lacks "$(offers sextant pretrain run.yaml parallel.t)" parallel.data=
lacks "$(offers sextant pretrain parallel.t)" parallel.tensor=
has "$(offers sextant pretrain run.yaml optimizer.schedule = co)" cosine
has "$(offers sextant pretrain run.yaml optimizer.schedule =)" linear
[[ $(offers sextant pretrain run.yaml run.steps = 1) == "  " ]] || fail "a number has no completion"

# Files are left to bash where nothing of ours fits.
[[ $(offers sextant completion runs/) == "  " ]] || fail "a path should be left to bash"
[[ $(complete -p sextant) == *"-o default"* ]] || fail "files are not completed"

"$SEXTANT" completion fish 2>/dev/null
[[ $? == 2 ]] || fail "an unknown shell is not refused with exit code 2"
echo "completion: offers commands, options, keys and values"
