#!/usr/bin/env python3
"""Generation: `sextant generate` against transformers' generate(), in turn, several times.

    .venv-bench/bin/python tests/bench/generation.py [--compute bf16] [--batches 1,16] [--repeats 5] [--cache dynamic]

A model of SmolLM2-135M's shape with random weights on both sides; prompts of 64 tokens, 64 tokens after each, greedy.
Tokens a second are new tokens over the whole time, prompts included, models being loaded. The memory's share is how close
reading all weights once a step, as fast as this machine reads, comes to the time of our steps (prompts left out).
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import torch

root = pathlib.Path(__file__).resolve().parents[2]
shape = {"vocabulary": 49152, "width": 576, "layers": 30, "heads": 9, "kv_heads": 3, "ffn_width": 1536, "context": 8192,
         "rotary_base": 100000}


def make_model(folder, compute):
    """A checkpoint after one step on a few words: speed doesn't depend on the numbers. Returns the run's folder."""
    run = folder / f"run_{compute}"
    if list(run.glob("checkpoints/step-*")):
        return run
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog\n" * 50)
    call("tokenizer", "train", "--vocabulary", "257", "--output", str(folder / "bytes.json"), str(text))
    call("data", "build", "--tokenizer", str(folder / "bytes.json"), "--output", str(folder / "shard"), str(text))
    model = "".join(f"  {key}: {value}\n" for key, value in shape.items())
    (folder / "model.yaml").write_text(
        f"run: {{steps: 1, global_batch: 1, micro_batch: 1}}\nmodel:\n  kind: llama\n  tied_embeddings: true\n{model}"
        f"data: {{tokenizer: {folder}/bytes.json, train: [{folder}/shard]}}\n")
    call("pretrain", str(folder / "model.yaml"), f"run.folder={run}", f"numerics.compute={compute}", "model.context=256")
    return run


def call(*words):
    done = subprocess.run([root / "build/cpu/sextant", *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"sextant {' '.join(words)}: {done.stderr}")
    return done


def ours(run, batch, options):
    """Seconds of a generation and of its steps after the prompts."""
    prompt = ("the quick brown fox jumps over the lazy dog " * 9)[: options.prompt]
    words = ["generate", "--checkpoint", str(run), "--tokens", str(options.tokens), "--temperature", "0", "--ignore-end",
             "--speed", "--json"] + ["--prompt", prompt] * batch
    done = call(*words)
    assert all(len(json.loads(line)["ids"]) == options.tokens for line in done.stdout.splitlines())
    prompts, decode = re.findall(r"in ([0-9.]+) s", done.stderr)
    return float(prompts) + float(decode), float(decode) / (options.tokens - 1)


class Peer:
    def __init__(self, options):
        self.process = subprocess.Popen(
            [sys.executable, root / "tests/bench/generation_peer.py", options.compute, options.cache,
             str(options.threads), json.dumps(shape)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def seconds(self, batch, options):
        order = {"batch": batch, "prompt": options.prompt, "tokens": options.tokens}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["seconds"]


def read_bandwidth(megabytes=270):
    """Bytes a second of summing a buffer of the weights' size: the best of five."""
    buffer = torch.ones(megabytes * 1000 * 1000 // 8, dtype=torch.int64)
    best = 0.0
    for _ in range(5):
        begin = time.perf_counter()
        buffer.sum()
        best = max(best, buffer.numel() * 8 / (time.perf_counter() - begin))
    return best


def line(name, values, unit):
    spread = f"{min(values):.1f} to {max(values):.1f}"
    print(f"  {name:34} {statistics.median(values):9.1f} {unit:9} ({spread})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compute", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--batches", default="1,16")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", default="dynamic", choices=["dynamic", "compiled"], help="the peer's")
    parser.add_argument("--folder", type=pathlib.Path, default=root / "build/bench/generation")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    torch.set_num_threads(options.threads)
    run = make_model(options.folder.resolve(), options.compute)
    weights = 134_515_008 * (2 if options.compute == "bf16" else 4)  # bytes that a step reads
    peer = Peer(options)
    for batch in map(int, options.batches.split(",")):
        peer.seconds(batch, argparse.Namespace(prompt=options.prompt, tokens=4))  # warm
        rates, peer_rates, ratios, shares, bandwidths = [], [], [], [], []
        for _ in range(options.repeats):
            theirs = peer.seconds(batch, options)
            bandwidths.append(read_bandwidth(weights // 1000 // 1000))
            mine, step = ours(run, batch, options)
            rates.append(batch * options.tokens / mine)
            peer_rates.append(batch * options.tokens / theirs)
            ratios.append(theirs / mine)
            shares.append(weights / bandwidths[-1] / step * 100)
        print(f"{options.compute}, batch {batch}, {options.prompt}-token prompts, {options.tokens} tokens, "
              f"{options.threads} threads, {options.repeats} times in turn; median (spread)")
        line("transformers", peer_rates, "tokens/s")
        line("sextant", rates, "tokens/s")
        line("ratio", ratios, "x")
        line("memory reads", [b / 1e9 for b in bandwidths], "GB/s")
        line("our steps' share of that", shares, "%")
        sys.stdout.flush()


main()
