#!/usr/bin/env bash
# The peers that benchmarks and golden scripts compare with, in an environment of their own: about 5 GB in
# .venv-bench. Neither the build nor the suite nor the program ever needs it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${SEXTANT_PYTHON:-/usr/bin/python3}
[[ -x .venv-bench/bin/python ]] || "$python" -m venv .venv-bench
.venv-bench/bin/python -m pip install --disable-pip-version-check --no-input -r tests/bench/requirements.txt
echo "ready: .venv-bench/bin/python"
