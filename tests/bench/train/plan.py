"""What `sextant plan` foretells of a layout beside what a run of it then measures: peak memory of a rank, seconds of a step.

    .venv-bench/bin/python tests/bench/train/plan.py                    all layouts, as a table for docs/results/plan.md
    .venv-bench/bin/python tests/bench/train/plan.py tensor zero3       these

Needs nothing but the standard library. The plan is made first, by ranks that play the layout's; then the run, of ten
steps, of which the first three are left out; several rounds in turn, of which the median is printed with its range.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import ours as ours_module
from ours import Ours

# 42M parameters, so that a rank's memory is more than the program's.
SHAPE = {"layers": 8, "width": 512, "heads": 8, "context": 256, "vocabulary": 16384, "batch": 8}
LLAMA = ["model.kind=llama", "model.kv_heads=4", "model.ffn_width=1408"]
# name: ranks, what the run is given.
LAYOUTS = {
    "one fp32": (1, []),
    "one bf16": (1, ["numerics.compute=bf16"]),
    "selective": (1, ["numerics.compute=bf16", "numerics.recompute=selective"]),
    "full": (1, ["numerics.compute=bf16", "numerics.recompute=full"]),
    "data": (2, ["numerics.compute=bf16"]),
    "zero1": (2, ["numerics.compute=bf16", "parallel.zero_stage=1"]),
    "zero2": (2, ["parallel.zero_stage=2"]),
    "zero3": (2, ["numerics.compute=bf16", "parallel.zero_stage=3"]),
    "tensor": (2, ["parallel.tensor=2", *LLAMA]),
    "tensor bf16": (2, ["parallel.tensor=2", "numerics.compute=bf16"]),
    "1f1b": (2, ["parallel.pipeline=2"]),
    "gpipe": (2, ["parallel.pipeline=2", "parallel.schedule=gpipe", "numerics.compute=bf16"]),
    "interleaved": (2, ["parallel.pipeline=2", "parallel.schedule=interleaved", *LLAMA]),
    "zero bubble": (2, ["parallel.pipeline=2", "parallel.schedule=zero_bubble"]),
    "zero bubble V": (2, ["parallel.pipeline=2", "parallel.schedule=zero_bubble_v", "numerics.compute=bf16"]),
    "ring": (2, ["parallel.context=2", *LLAMA]),
    "ulysses": (2, ["parallel.context=2", "parallel.context_kind=ulysses"]),
    "experts": (2, ["parallel.expert=2", *LLAMA, "model.experts.count=4", "model.experts.ffn_width=512"]),
    "data tensor": (4, ["parallel.data=2", "parallel.tensor=2", "numerics.compute=bf16"]),
}
STEPS, WARM_UP = 10, 3


def planned(path, ranks, extra):
    """(bytes, seconds) as foretold."""
    command = [ours_module.SEXTANT, "plan", str(path / "run.yaml"), *extra, "--ranks", str(ranks), "--ranks-on-machine",
               str(ranks), "--only", "--json"]
    players = min(ranks, os.cpu_count())
    if players > 1:
        command = ["mpirun", "--allow-run-as-root", "--bind-to", "none", "-n", str(players), *command]
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, os.cpu_count() // ranks))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    layout = json.loads(done.stdout)["layouts"][0]
    if not layout["rehearsed"]:
        sys.exit(f"not rehearsed: {layout['note']}")
    return layout["memory_bytes"]["total"], layout["step_seconds"]


def came(ours, ranks, extra):
    """(bytes, seconds) as measured by the run itself."""
    result = ours.train(STEPS, ranks=ranks, threads=max(1, os.cpu_count() // ranks), extra=extra)
    return result["lines"][-1]["memory_bytes"], statistics.median(result["seconds"][WARM_UP:])


def percent(foretold, measured):
    return 100 * (foretold / measured - 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layouts", nargs="*", help=f"of {', '.join(LAYOUTS)}; all when left out")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours = Ours(SHAPE, "fp32")
    print("| layout | ranks | MiB foretold | came | apart | seconds foretold | came | apart (range) |")
    print("|---|---|---|---|---|---|---|---|")
    worst = [0.0, 0.0]
    for name in options.layouts or LAYOUTS:
        ranks, extra = LAYOUTS[name]
        extra = ["run.micro_batch=1", *extra]
        rounds = [(planned(ours.path, ranks, extra), came(ours, ranks, extra)) for _ in range(options.rounds)]
        bytes_foretold, bytes_came = (statistics.median(r[i][0] for r in rounds) for i in (0, 1))
        seconds_foretold, seconds_came = (statistics.median(r[i][1] for r in rounds) for i in (0, 1))
        each = [percent(r[0][1], r[1][1]) for r in rounds]
        memory, seconds = percent(bytes_foretold, bytes_came), percent(seconds_foretold, seconds_came)
        worst = [max(worst[0], abs(memory)), max(worst[1], abs(seconds))]
        print(f"| {name}: `{' '.join(extra[1:])}` | {ranks} | {bytes_foretold / 2**20:.0f} | {bytes_came / 2**20:.0f} | "
              f"{memory:+.1f} % | {seconds_foretold:.3f} | {seconds_came:.3f} | {seconds:+.1f} % ({min(each):+.1f} to "
              f"{max(each):+.1f}) |", flush=True)
    print(f"\nworst: memory {worst[0]:.1f} %, seconds {worst[1]:.1f} %")


if __name__ == "__main__":
    main()
