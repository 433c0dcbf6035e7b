"""What numerics.reduction=reproducible costs: steps with it and without, in turn, as a share of a step.

    python3 tests/bench/train/reproducible.py                   # all rows
    python3 tests/bench/train/reproducible.py small-bf16 --rounds 3

Needs no peer, only the standard library and build/cpu/sextant (SEXTANT names another one).
"""

import argparse
import statistics

from ours import Ours

SMALL = {"layers": 6, "width": 384, "heads": 6, "context": 512, "vocabulary": 8192, "batch": 8}
LARGE = {"layers": 12, "width": 768, "heads": 12, "context": 1024, "vocabulary": 50304, "batch": 4}
# Shape, type, ranks, threads of a rank, sequences in a microbatch, settings of both sides, settings beside
# numerics.reduction=reproducible.
ROWS = {
    "small-fp32": (SMALL, "fp32", 1, 2, 8, [], []),
    "small-bf16": (SMALL, "bf16", 1, 2, 8, [], []),
    "small-accumulated": (SMALL, "bf16", 1, 2, 2, [], []),
    "small-ranks": (SMALL, "bf16", 2, 1, 4, [], []),
    "small-blocks": (SMALL, "bf16", 1, 2, 8, [], ["numerics.tensor_blocks=2"]),
    "small-tensor": (SMALL, "bf16", 2, 1, 8, ["parallel.tensor=2"], ["numerics.tensor_blocks=2"]),
    "large-bf16": (LARGE, "bf16", 1, 2, 4, [], []),
    "large-accumulated": (LARGE, "bf16", 1, 2, 1, [], []),
    "large-ranks": (LARGE, "bf16", 2, 1, 2, [], []),
    "large-blocks": (LARGE, "bf16", 1, 2, 4, [], ["numerics.tensor_blocks=4"]),
    "large-tensor": (LARGE, "bf16", 2, 1, 4, ["parallel.tensor=2"], ["numerics.tensor_blocks=2"]),
}


def seconds(ours, steps, ranks, threads, micro_batch, extra):
    run = ours.train(steps + 2, ranks=ranks, threads=threads, extra=[f"run.micro_batch={micro_batch}", *extra])
    return statistics.median(run["seconds"][2:])  # the first step is done twice


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; all when left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    for row in options.rows or ROWS:
        shape, precision, ranks, threads, micro_batch, both, beside = ROWS[row]
        ours = Ours(shape, precision)
        costs = []
        for _ in range(options.rounds):
            fast = seconds(ours, options.steps, ranks, threads, micro_batch, both)
            sums = [*both, "numerics.reduction=reproducible", *beside]
            costs.append(100 * (seconds(ours, options.steps, ranks, threads, micro_batch, sums) / fast - 1))
        print(f"{row}: {ranks} rank(s) of {threads} thread(s), microbatches of {micro_batch}: "
              f"{statistics.median(costs):+.1f} % of a step ({min(costs):+.1f} to {max(costs):+.1f})", flush=True)


if __name__ == "__main__":
    main()
