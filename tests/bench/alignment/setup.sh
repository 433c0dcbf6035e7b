#!/usr/bin/env bash
# TRL's two versions that compare.py needs, each in a folder of its own over .venv-bench, whose other packages serve both.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
[[ -x .venv-bench/bin/python ]] || bash tests/bench/setup.sh
for version in 1.2.0 1.16.0; do
  target=.venv-bench/trl-$version
  [[ -d $target ]] || .venv-bench/bin/python -m pip install --disable-pip-version-check --no-input --no-deps --target "$target" trl==$version
done
echo "ready: .venv-bench/bin/python tests/bench/alignment/compare.py"
