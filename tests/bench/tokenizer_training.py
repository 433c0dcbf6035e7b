#!/usr/bin/env python3
"""Learning a vocabulary of 32768 from about 100 MB of text, ours against tokenizers: seconds and their ratio.

    .venv-bench/bin/python tests/bench/tokenizer_training.py TEXT... [--megabytes N] [--rounds N] [--threads N]

Both read the same files of plain text, split with Llama 3's expression and use `threads` threads. Both numbers are
given: wall time, and processor time, which other work on the machine moves less.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import tokenizer_peers as peers

PEER = """
import sys
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Split(Regex(sys.argv[2]), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
trainer = trainers.BpeTrainer(vocab_size=int(sys.argv[1]), special_tokens=["<|endoftext|>"], show_progress=False,
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
tokenizer.train(sys.argv[4:], trainer)
tokenizer.save(sys.argv[3])
"""


def timed(command, **environment):
    """Wall and processor seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="+")
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=32768)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus, files = 0, []
        for chunk in peers.chunks_of(options.text, 5_000_000):
            files.append(pathlib.Path(folder) / f"{len(files)}.txt")
            corpus += files[-1].write_bytes(chunk.encode())
            if corpus >= options.megabytes * 1e6:
                break
        output = str(pathlib.Path(folder) / "out.json")
        ours = ["build/cpu/sextant", "tokenizer", "train", "--pattern", "llama3", "--vocabulary", str(options.vocabulary),
                "--threads", str(options.threads), "--output", output, *map(str, files)]
        peer = [sys.executable, "-c", PEER, str(options.vocabulary), peers.LLAMA3_PATTERN, output, *map(str, files)]
        print(f"{corpus / 1e6:.1f} MB in {len(files)} files, {options.threads} threads, vocabulary {options.vocabulary}")
        rounds = []
        for _ in range(options.rounds):
            a = timed(ours)
            b = timed(peer, RAYON_NUM_THREADS=str(options.threads), TOKENIZERS_PARALLELISM="true")
            rounds.append((a, b))
            print(f"ours {a[0]:.1f} s ({a[1]:.1f} s of processor), tokenizers {b[0]:.1f} s ({b[1]:.1f}): ratio "
                  f"{b[0] / a[0]:.2f} wall, {b[1] / a[1]:.2f} processor", flush=True)
        print("median ratio:", peers.spread([b[0] / a[0] for a, b in rounds]), "wall,",
              peers.spread([b[1] / a[1] for a, b in rounds]), "processor")


if __name__ == "__main__":
    main()
