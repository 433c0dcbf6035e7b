#!/usr/bin/env bash
# sextant scaling fit and task as a user types them: JSON that parses, and one message with exit code 2 for bad input.
set -uo pipefail
sextant=${SEXTANT:?the executable}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
fail() { echo "scaling: $*" >&2; exit 1; }

# Runs along L = 1.7 + 400 / N^0.34 + 1800 / D^0.37.
awk 'BEGIN { print "N,D,C,loss"; for (n = 1e7; n < 2e10; n *= 5) for (r = 5; r < 200; r *= 3) {
  d = n * r; printf "%.17g,%.17g,%.17g,%.17g\n", n, d, 6 * n * d, 1.7 + 400 / n ^ 0.34 + 1800 / d ^ 0.37 } }' >runs.csv
fit=(scaling fit runs.csv --loss loss)
"$sextant" "${fit[@]}" --form chinchilla --parameters N --flops C --json --at-parameters 7e9 --at-tokens 2e12 >fit.json ||
  fail "fit gave exit code $?"
python3 - <<'P' || fail "fit.json is not what was made"
import json
fit = json.load(open("fit.json"))
for name, value in {"E": 1.7, "A": 400, "B": 1800, "alpha": 0.34, "beta": 0.37}.items():
    assert abs(fit["fit"][name] / value - 1) < 1e-3, (name, fit["fit"])
    low, high = fit["intervals"][name + "_95"]
    assert low <= fit["fit"][name] * (1 + 1e-6) and high >= fit["fit"][name] * (1 - 1e-6)
assert fit["starts"] == 4500 and fit["converged"] and "6 N" in fit["flops"]
assert abs(fit["prediction"]["value"] - (1.7 + 400 / 7e9**0.34 + 1800 / 2e12**0.37)) < 1e-4
P
"$sextant" "${fit[@]}" --form loss --parameters N --tokens D --bootstrap 0 | grep -q '^  c ' || fail "no c of the law of compute"

# Kaplan's law takes a column of its own for N, and no constant.
awk 'BEGIN { print "N,D,loss"; for (n = 1e6; n < 2e9; n *= 5) for (d = 2e8; d < 1e11; d *= 5)
  printf "%.17g,%.17g,%.17g\n", n, d, ((6.4e13 / n) ^ (0.076 / 0.103) + 1.8e13 / d) ^ 0.103 }' >kaplan.csv
"$sextant" scaling fit kaplan.csv --form kaplan --parameters N --tokens D --loss loss --json --at-parameters 1e11 --at-tokens 3e11 |
  python3 -c 'import json, sys; one = json.load(sys.stdin)
assert abs(one["fit"]["alpha"] - 0.076) < 1e-5 and abs(one["fit"]["beta"] - 0.103) < 1e-5 and not one["doubts"], one
assert abs(one["prediction"]["value"] - ((6.4e13 / 1e11) ** (0.076 / 0.103) + 1.8e13 / 3e11) ** 0.103) < 1e-5, one' ||
  fail "kaplan"
printf 'C,pass,bucket\n' >pass.csv
awk 'BEGIN { for (c = 1e18; c < 1e22; c *= 7) for (p = 1; p < 4; ++p) printf "%g,%.12g,b%d\n", c, exp(-p * c ^ -0.05), p }' >>pass.csv
"$sextant" scaling fit pass.csv --form capability --flops C --pass-rate pass --bucket bucket --leave-out b3 --json |
  python3 -c 'import json, sys; b = json.load(sys.stdin)["buckets"]; assert [x["bucket"] for x in b] == ["b1", "b2"]
assert all(abs(x["fit"]["k"] - 0.05) < 1e-5 for x in b) and abs(b[1]["fit"]["alpha"] - 2) < 1e-3' || fail "capability"

# refuses TEXT ARGUMENTS...: exit code 2 and one line on stderr that has the text.
refuses() {
  local text=$1 code=0
  shift
  "$sextant" scaling "$@" >out 2>err || code=$?
  [[ $code == 2 ]] || fail "exit code $code instead of 2: $*"
  grep -qF -- "$text" err || fail "'$text' is not in: $(cat err)"
  [[ $(wc -l <err) -le 2 && ! -s out ]] || fail "more than one message for: $*"
}
chinchilla=(--form chinchilla --parameters N --tokens D)
refuses 'did you mean "loss"?' fit runs.csv "${chinchilla[@]}" --loss los
refuses "points are left for a law of 5 parameters" fit runs.csv "${chinchilla[@]}" --loss loss --drop-highest 15
refuses "none.csv" fit none.csv "${chinchilla[@]}" --loss loss
refuses "belong to --form capability" fit runs.csv "${chinchilla[@]}" --loss loss --bucket N
refuses "--at-parameters and --at-tokens" fit runs.csv "${chinchilla[@]}" --loss loss --at-tokens 5
refuses "--form" fit runs.csv --form chinchila --loss loss
sed '3s/.*/1,x,3,4/' runs.csv >word.csv
refuses 'word.csv:3: column "D" is "x"' fit word.csv "${chinchilla[@]}" --loss loss
sed '4s/,[^,]*$/,nan/' runs.csv >nan.csv
refuses 'nan.csv:4: column "loss" is "nan"' fit nan.csv "${chinchilla[@]}" --loss loss
head -c 3000000 /dev/zero | tr '\0' '7' >long.csv
refuses "long.csv" fit long.csv "${chinchilla[@]}" --loss loss
head -c 5000 /dev/urandom >noise.csv
refuses "noise.csv" fit noise.csv "${chinchilla[@]}" --loss loss
printf 'runs: [{file: a, parameters: 5}, {file: b, parameters: 9, use: predict}]\ntasks: [{name: t, loss: [l], accuracy: [a]}]\n' >few.yaml
refuses "give 6 or more" task few.yaml
echo "scaling: fits, predicts and refuses"
