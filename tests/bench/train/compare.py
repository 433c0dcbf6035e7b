"""Training speed against compiled PyTorch, and of two ranks against one; a ratio a row, measured in turn.

    .venv-bench/bin/python tests/bench/train/compare.py small-bf16 large-bf16 ranks start

Ratios are the peer's seconds of a step over ours: above 1 we are faster. Each round gives one ratio, of the
medians of both sides' steps; printed are the median round and the range.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from ours import ROOT, Ours  # noqa: E402

SMALL = {"layers": 6, "width": 384, "heads": 6, "context": 256, "vocabulary": 65, "batch": 16}
LARGE = {"layers": 12, "width": 768, "heads": 12, "context": 256, "vocabulary": 50257, "batch": 4}
# name: shape, our precision, the peer's precision, whether the peer is compiled, settings of ours beside the shape
ROWS = {
    "small-bf16": (SMALL, "bf16", "bf16", "yes", []),
    "small-fp32": (SMALL, "fp32", "fp32", "yes", []),
    "large-bf16": (LARGE, "bf16", "bf16", "yes", []),
    "large-bf16-selective": (LARGE, "bf16", "bf16", "yes", ["numerics.recompute=selective"]),
    "large-all-bf16": (LARGE, "bf16", "all-bf16", "yes", []),
    "large-fp32": (LARGE, "fp32", "fp32", "yes", []),
    "large-fp32-selective": (LARGE, "fp32", "fp32", "yes", ["numerics.recompute=selective"]),
}


class Peer:
    def __init__(self, shape, precision, compiled):
        arguments = [f"--{key}={value}" for key, value in shape.items()]
        self.process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).with_name("peer.py")), *arguments, "--threads=2",
             f"--precision={precision}", f"--compile={compiled}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("the peer ended early")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def spread(numbers, digits=2):
    return f"{statistics.median(numbers):.{digits}f} ({min(numbers):.{digits}f} to {max(numbers):.{digits}f})"


def against_peer(name, rounds, steps):
    shape, precision, peer_precision, compiled, settings = ROWS[name]
    tokens = shape["batch"] * shape["context"]
    ours, peer = Ours(shape, precision), Peer(shape, peer_precision, compiled)
    peer.ask(3)  # compiles
    ratios, our_speed, peer_speed, peak = [], [], [], 0
    for _ in range(rounds):
        result = ours.train(steps + 2, extra=settings)
        our_seconds = statistics.median(result["seconds"][2:])
        peer_seconds = statistics.median(peer.ask(steps))
        ratios.append(peer_seconds / our_seconds)
        our_speed.append(tokens / our_seconds)
        peer_speed.append(tokens / peer_seconds)
        peak = max(peak, result["peak"])
    peer_peak = peer.ask("memory")
    peer.close()
    print(f"{name}: {spread(ratios)} x; tokens/s ours {spread(our_speed, 0)}, peer {spread(peer_speed, 0)}; "
          f"peak memory {peak / peer_peak:.2f} x ({peak / 2**20:.0f} MiB of {peer_peak / 2**20:.0f})", flush=True)


def ranks(rounds, steps):
    for precision in ("bf16", "fp32"):
        ours, ratios = Ours(SMALL, precision), []
        for _ in range(rounds):
            one = ours.train(steps + 2, ranks=1, threads=2)
            two = ours.train(steps + 2, ranks=2, threads=1, extra=[f"run.micro_batch={SMALL['batch'] // 2}"])
            ratios.append(statistics.median(one["seconds"][2:]) / statistics.median(two["seconds"][2:]))
        print(f"2 ranks of 1 thread against 1 rank of 2, small {precision}: {spread(ratios)} x", flush=True)


def start(rounds):
    for precision in ("bf16", "fp32"):
        ours = Ours(SMALL, precision)
        runs = [ours.train(4) for _ in range(rounds)]
        ends = [run["first_step"] for run in runs]
        begins = [run["first_step"] - run["seconds"][0] for run in runs]
        surplus = [run["seconds"][0] - statistics.median(run["seconds"][1:]) for run in runs]
        print(f"start, small {precision}: {spread(begins)} s to the first step, {spread(ends)} s to its end; it takes "
              f"{spread(surplus)} s longer than later ones", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join([*ROWS, 'ranks', 'start'])}; all when left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="timed steps of a round, after two of warm-up")
    options = parser.parse_args()
    for row in options.rows or [*ROWS, "ranks", "start"]:
        if row == "ranks":
            ranks(options.rounds, options.steps)
        elif row == "start":
            start(options.rounds)
        else:
            against_peer(row, options.rounds, options.steps)


if __name__ == "__main__":
    main()
