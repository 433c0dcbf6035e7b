#!/usr/bin/env bash
# Every fault that tests/faults/run.py can switch on still has its place in the sources.
set -euo pipefail
python3 tests/faults/run.py --check
