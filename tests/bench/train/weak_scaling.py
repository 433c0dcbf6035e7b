"""Weak scaling from one rank to two: each rank of one thread, the global batch twice as large on two.

    .venv-bench/bin/python tests/bench/train/weak_scaling.py tensor --rounds 5

A ratio is the seconds of one rank's step over those of two ranks' step of twice the tokens: 1 is ideal. Each round
runs both in turn; printed are the median round and the range.
"""

import argparse
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
    "pipeline": (["parallel.pipeline=2", "parallel.schedule=zero_bubble"], 8),
}


def median_step(result, warm_up):
    return statistics.median(result["seconds"][warm_up:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("axes", nargs="*", help=f"of {', '.join(AXES)}; all when left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a round, after two of warm-up")
    parser.add_argument("--compute", default="fp32", choices=["fp32", "bf16"])
    options = parser.parse_args()
    micro_batch = "run.micro_batch=1"
    for axis in options.axes or AXES:
        layout, batch = AXES[axis]
        ours = Ours(SHAPE | {"batch": batch}, options.compute)
        ratios = []
        for _ in range(options.rounds):
            one = ours.train(options.steps + 2, ranks=1, threads=1, extra=[micro_batch])
            extra = [micro_batch, f"run.global_batch={2 * batch}", *layout]
            two = ours.train(options.steps + 2, ranks=2, threads=1, extra=extra)
            ratios.append(median_step(one, 2) / median_step(two, 2))
        print(f"{axis} {options.compute}: {spread(ratios)} of ideal", flush=True)


if __name__ == "__main__":
    main()
