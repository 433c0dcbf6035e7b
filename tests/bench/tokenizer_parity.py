#!/usr/bin/env python3
"""Compares our ids with those of tiktoken and tokenizers, on adversarial text and on much real text.

    cmake --build --preset cpu --target tokenizer_bench
    .venv-bench/bin/python tests/bench/tokenizer_parity.py FOLDER [--megabytes N] [--text PATH...]

FOLDER holds tokenizers: *_base.tiktoken files and *.json files. Every one is compared on everything: first on
adversarial text, then on N megabytes of real text, which repeats with seeded mutations until there is enough.

Bytes that are not UTF-8 can not be given to tokenizers at all, and tiktoken's bytes API joins the piece before the
first wrong byte with everything behind it into one. We promise something simpler, and that is checked: a run of wrong
bytes is a piece of its own, with the ids that tiktoken's encode_single_piece gives these bytes, and the text around it
is encoded as it stands.
"""

import argparse
import itertools
import pathlib
import random
import sys
import time

import numpy as np

import tokenizer_peers as peers

CHUNK = 200_000


def every_code_point(step=2048):
    """All of Unicode, in the places where split patterns look: in words, numbers, white space and at ends."""
    for start in range(0, 0x110000, step):
        characters = [chr(c) for c in range(start, start + step) if not 0xD800 <= c < 0xE000]
        if characters:
            yield "".join(f"a{c}B {c}{c}1{c}'s\n{c} " for c in characters)
            yield "".join(characters)


def adversarial():
    rng = random.Random(1)
    yield from every_code_point()
    pick = lambda count, low, high: "".join(chr(rng.randrange(low, high)) for _ in range(count))
    for unit in ["a", "A", "é", "日", "1", "٣", "!", "_", "🙂", "\u0301", "ab", "aB", "Ab1", "don't", "é́"]:
        yield unit * (6_000 // len(unit))  # longer ones cost tiktoken the square of it
    for unit in [" ", "\n", "\t", "\r\n", " \n", "\u3000", "\u00a0"]:
        for end in ["", "x", "\n", "!"]:
            yield "b" + unit * 2_000 + end
    for _ in range(40):
        yield pick(5_000, 0x20, 0x7F)
        yield pick(5_000, 0, 0x20)
        yield pick(5_000, 0xA0, 0x2000)
        yield pick(5_000, 0x3000, 0xD800)
        yield pick(5_000, 0x10000, 0x20000)
        yield "".join(rng.choice(["0", "12", "345", "६", "²", "Ⅷ", ".", ",", " "]) for _ in range(5_000))
        yield "".join(rng.choice(["👩", "\u200d", "👧", "🏽", "\ufe0f", "🇩", "🇪", " ", "e\u0301"]) for _ in range(3_000))
        yield "".join(
            rng.choice(["a", "Bc", "DE", "f'S", "'ſ", "'ll", "’s", " ", "  ", "\n", "\r", "/", "ǅ", "ʰ", "א", "\u0345"])
            for _ in range(5_000)
        )
    yield "<|endoftext|> <|im_start|>user<|im_end|> <|fim_prefix|>"


def normalisable():
    """Sequences that normal forms reorder and join."""
    rng = random.Random(2)
    marks = [chr(c) for c in range(0x300, 0x370)] + ["\u0f71", "\u0f72", "\u3099", "\u1161", "\u11a8", "\u0653"]
    bases = [chr(c) for c in range(0x41, 0x24F)] + ["\u1100", "\uac00", "か", "ا", "क", "\u212b", "ﬁ", "豈"]
    for _ in range(20):
        yield "".join(rng.choice(bases) + "".join(rng.choices(marks, k=rng.randrange(4))) for _ in range(3_000))


def broken_bytes(ours, encoding):
    """Runs of wrong bytes between stretches of text, which must not touch them."""
    rng = random.Random(3)
    words = ["word", " two", "\n", " é", "9", "!?", "日本", "  "]
    wrong = [b"\xff", b"\xfe\xff", b"\x80", b"\xc0\xaf", b"\xf5\x80", b"\xed\xa0\x80", b"\xe2\x28\xa1"[:1]]
    for _ in range(300):
        data, expected = b"", []
        for _ in range(6):
            text = "x" + "".join(rng.choices(words, k=5)) + "x"
            run = b"".join(rng.choices(wrong, k=rng.randrange(1, 9)))
            data += text.encode() + run
            expected += encoding.encode_ordinary(text) + encoding._core_bpe.encode_single_piece(run)
        got = ours.encode(data)[0].tolist()
        if got != expected:
            return data
    return None


class Comparison:
    def __init__(self, name, ours, peer_encode):
        self.name, self.ours, self.peer_encode = name, ours, peer_encode
        self.bytes = self.tokens = self.faults = 0
        self.our_seconds = self.peer_seconds = 0.0

    def compare(self, texts):
        start = time.perf_counter()
        expected = self.peer_encode(texts)
        self.peer_seconds += time.perf_counter() - start
        for text, ids in zip(texts, expected):
            data = text.encode()
            got, seconds = self.ours.encode(data)
            self.our_seconds += seconds
            self.bytes += len(data)
            self.tokens += len(got)
            if not np.array_equal(got, ids):
                ids = list(ids)
                self.faults += 1
                at = next((i for i, (a, b) in enumerate(zip(got.tolist(), ids)) if a != b), min(len(got), len(ids)))
                if self.faults <= 3:
                    print(f"{self.name}: differs at token {at}: {got.tolist()[at:at + 8]} != {ids[at:at + 8]}"
                          f" in {text[:60]!r}...", flush=True)

    def report(self):
        print(f"{self.name:34} {self.bytes / 1e6:8.1f} MB {self.tokens:>10} tokens  "
              f"{self.bytes / 1e6 / self.our_seconds:6.1f} and {self.bytes / 1e6 / self.peer_seconds:5.1f} MB/s  "
              f"{'identical' if self.faults == 0 else f'{self.faults} texts DIFFER'}", flush=True)


def comparisons(folder, program):
    for file in sorted(folder.glob("*_base.tiktoken")):
        name = file.name.removesuffix("_base.tiktoken")
        for pattern in [name] + (["llama3"] if name == "cl100k" else []):
            encoding = peers.tiktoken_encoding(file, pattern)
            ours = peers.Ours(file, pattern, program)
            wrong = broken_bytes(ours, encoding)
            if wrong is not None:
                sys.exit(f"{file.name} {pattern}: bytes that are not UTF-8 differ: {wrong!r}")
            yield Comparison(f"{file.name} {pattern}", ours,
                             lambda texts, e=encoding: [e.encode_to_numpy(text, disallowed_special=()) for text in texts])
    for file in sorted(folder.glob("*.json")):
        tokenizer = peers.plain_tokenizer(file)
        yield Comparison(file.name, peers.Ours(file, None, program),
                         lambda texts, t=tokenizer: [np.array(e.ids, dtype=np.int32) for e in t.encode_batch(texts, add_special_tokens=False)])


def real_text(paths, megabytes):
    """Chunks until there are enough bytes: the files as they are, each eighth chunk mutated as well; then again with
    all chunks mutated."""
    done, turn = 0, 0
    while done < megabytes * 1e6:
        before = done
        for number, chunk in enumerate(peers.chunks_of(paths, CHUNK)):
            texts = [chunk] if turn == 0 else []
            if turn > 0 or number % 8 == 0:
                texts.append(peers.mutated(chunk, (turn << 32) + number))
            for text in texts:
                done += len(text.encode())
                yield text
            if done >= megabytes * 1e6:
                return
        if done == before:
            sys.exit("no text in " + " ".join(map(str, paths)))
        turn += 1


def in_groups(texts, size):
    group = []
    for text in texts:
        group.append(text)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--text", nargs="+", default=["docs", "README.md"])
    parser.add_argument("--only", default="", help="compare only tokenizers whose name holds this")
    parser.add_argument("--program", default=peers.PROGRAM)
    options = parser.parse_args()
    compared = [c for c in comparisons(options.folder, options.program) if options.only in c.name]
    texts = itertools.chain(adversarial(), normalisable(), real_text(options.text, options.megabytes))
    for number, group in enumerate(in_groups(texts, 8)):
        for comparison in compared:
            comparison.compare(group)
        if number % 50 == 49:
            print(f"{compared[0].bytes / 1e6:.0f} MB so far", file=sys.stderr, flush=True)
    for comparison in compared:
        comparison.report()
    sys.exit(1 if any(comparison.faults for comparison in compared) else 0)


if __name__ == "__main__":
    main()
