"""Memory of a rank under each ZeRO stage on four ranks, as the system counts it: resident bytes after the last step.

    .venv-bench/bin/python tests/bench/train/zero_memory.py [bf16|fp32 ...]

What is not weights, gradients or optimizer (the program, its libraries, activations) is measured with a model of
nearly no weights and taken off. Printed is each stage's rest, and its share of stage 0's.
"""

import sys

from ours import Ours

RANKS = 4
LARGE = {"layers": 24, "width": 512, "heads": 8, "context": 64, "vocabulary": 2048, "batch": RANKS}
TINY = LARGE | {"layers": 1, "width": 32, "heads": 1}


def resident(shape, precision, stage):
    result = Ours(shape, precision).train(
        4, ranks=RANKS, threads=1, extra=["run.micro_batch=1", f"parallel.zero_stage={stage}"])
    return result["lines"][-1]["memory_bytes"]


def main():
    for precision in sys.argv[1:] or ("bf16", "fp32"):
        empty = resident(TINY, precision, 0)
        whole = resident(LARGE, precision, 0) - empty
        print(f"{precision}, {RANKS} ranks: ZeRO 0 {whole / 2**20:.0f} MiB over {empty / 2**20:.0f}", flush=True)
        for stage in (1, 2, 3):
            rest = resident(LARGE, precision, stage) - empty
            print(f"  ZeRO {stage}: {rest / 2**20:.0f} MiB, {rest / whole:.3f} of ZeRO 0", flush=True)


if __name__ == "__main__":
    main()
