"""Training runs of ours for the benchmarks: a YAML file with random token shards, and what a run printed."""

import itertools
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
SEXTANT = os.environ.get("SEXTANT", str(ROOT / "build/cpu/sextant"))


def write_tokenizer(path, size):
    """`size` of the 256 byte tokens, no merges: enough to open a corpus of ids."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]
    model = {"type": "BPE", "vocab": {c: i for i, c in enumerate(letters[:size])}, "merges": []}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    path.write_text(json.dumps({"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": level,
                                "post_processor": None, "decoder": level, "model": model}))


def write_shard(prefix, vocabulary, tokens):
    """One document of random ids in Megatron's format (docs/shard_format.md)."""
    draw = random.Random(1)
    ids = [draw.randrange(vocabulary) for _ in range(tokens)]
    prefix.with_suffix(".bin").write_bytes(struct.pack(f"<{tokens}H", *ids))
    prefix.with_suffix(".idx").write_bytes(
        b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 8, 1, 2) + struct.pack("<i", tokens) + struct.pack("<q", 0)
        + struct.pack("<qq", 0, 1))


class Ours:
    """A shape trained by `sextant pretrain`, each time from its first step."""

    def __init__(self, shape, precision):
        self.folder = tempfile.TemporaryDirectory(prefix="sextant-bench-")
        self.path = pathlib.Path(self.folder.name)
        self.runs = itertools.count(1)
        write_tokenizer(self.path / "tokenizer.json", min(shape["vocabulary"], 256))
        write_shard(self.path / "random", shape["vocabulary"], 200_000)
        config = {
            "run": {"steps": 10_000, "global_batch": shape["batch"], "micro_batch": shape["batch"],
                    "checkpoint_every": 0, "log_every": 1},
            "model": {"kind": "gpt2", **{k: shape[k] for k in ("layers", "width", "heads", "context", "vocabulary")}},
            "optimizer": {"learning_rate": 3e-4, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.95},
            "numerics": {"compute": precision},
            "data": {"tokenizer": str(self.path / "tokenizer.json"), "train": [str(self.path / "random")]},
        }
        (self.path / "run.yaml").write_text(json.dumps(config))

    def train(self, steps, ranks=1, threads=2, extra=()):
        """{seconds of each step, peak bytes of one rank, seconds from start to the end of step 1}."""
        run = self.path / f"run{next(self.runs)}"
        command = [SEXTANT, "pretrain", str(self.path / "run.yaml"), f"run.folder={run}", f"run.stop_at={steps}", *extra]
        if ranks > 1:
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks),
                       "-x", "OMP_NUM_THREADS", *command]
        begin = time.perf_counter()
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": str(threads)}, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        peak, first = {}, []
        watcher = threading.Thread(target=_watch, args=(process, run / "metrics.jsonl", begin, peak, first))
        watcher.start()
        output, _ = process.communicate()
        watcher.join()
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{output}")
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return {"seconds": [line["step_seconds"] for line in lines], "peak": max(peak.values(), default=0),
                "first_step": first[0] if first else float("nan"), "lines": lines}


def _watch(process, metrics, begin, peak, first):
    """Reads the kernel's own high-water mark of each rank while it runs, and sees the first line of metrics."""
    while process.poll() is None:
        for pid in [process.pid, *_children(process.pid)]:
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            mark = re.search(r"VmHWM:\s+(\d+)", status)
            if mark:
                peak[pid] = max(peak.get(pid, 0), int(mark[1]) * 1024)
        if not first and metrics.exists() and metrics.stat().st_size > 0:
            first.append(time.perf_counter() - begin)
        time.sleep(0.02)


def _children(pid):
    try:
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
