"""Weak scaling from one rank to two: each rank of one thread, the global batch twice as large on two.

    .venv-bench/bin/python tests/bench/train/weak_scaling.py tensor --rounds 5

A ratio is the seconds of one rank's step over those of two ranks' step of twice the tokens: 1 is ideal. Two cores share
memory, caches and clock, so that two programs that have nothing to do with each other slow each other down, too: that is
the machine's limit, measured by two runs of one rank at the same time. Each round runs all three in turn; printed are the
median round and the range. `communication` is what of two ranks' step went by in waiting for the other one.
"""

import argparse
import concurrent.futures
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from compare import spread  # noqa: E402
from ours import Ours  # noqa: E402

# GPT-2's 124M shape, the vocabulary rounded up so that ranks can share it.
SHAPE = {"layers": 12, "width": 768, "heads": 12, "context": 1024, "vocabulary": 50304}
# axis: what two ranks are given beside twice the batch, and one rank's batch. A pipeline needs microbatches to be full.
AXES = {
    "tensor": (["parallel.tensor=2"], 2),
    "data": (["parallel.data=2"], 2),
    "data-long": (["parallel.data=2", "parallel.zero_stage=1"], 8),
    "pipeline": (["parallel.pipeline=2", "parallel.schedule=zero_bubble"], 8),
}

WARM_UP = 2


def median_step(result):
    return statistics.median(result["seconds"][WARM_UP:])


def waiting(result):
    """The share of a step that went by in communication, on the rank that keeps the metrics."""
    lines = result["lines"][WARM_UP:]
    return sum(line["seconds_communication"] for line in lines) / sum(line["step_seconds"] for line in lines)


def one_round(ours, axis, steps):
    """{ideal: of twice one rank's speed, limit: what two runs apart reach of that, waiting}."""
    layout, batch = AXES[axis]
    alone = ["run.micro_batch=1"]

    def one():
        return median_step(ours.train(steps + WARM_UP, ranks=1, threads=1, extra=alone))

    def apart():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return statistics.mean(future.result() for future in [pool.submit(one), pool.submit(one)])

    single = one()
    two = ours.train(steps + WARM_UP, ranks=2, threads=1, extra=[*alone, f"run.global_batch={2 * batch}", *layout])
    return {"ideal": single / median_step(two), "limit": single / apart(), "waiting": waiting(two)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("axes", nargs="*", help=f"of {', '.join(AXES)}; all when left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a round, after two of warm-up")
    parser.add_argument("--compute", default="fp32", choices=["fp32", "bf16"])
    options = parser.parse_args()
    for axis in options.axes or AXES:
        ours = Ours(SHAPE | {"batch": AXES[axis][1]}, options.compute)
        rounds = [one_round(ours, axis, options.steps) for _ in range(options.rounds)]
        ideal, limit, share = ([each[key] for each in rounds] for key in ("ideal", "limit", "waiting"))
        print(f"{axis} {options.compute}: {spread(ideal)} of ideal; two runs apart {spread(limit)}; of that limit "
              f"{spread([i / m for i, m in zip(ideal, limit)])}; communication {100 * statistics.median(share):.1f} % "
              "of a step", flush=True)


if __name__ == "__main__":
    main()
