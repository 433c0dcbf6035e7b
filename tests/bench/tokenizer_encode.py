#!/usr/bin/env python3
"""Encoding on one thread, ours against tiktoken and tokenizers in turn: megabytes a second and their ratio.

    cmake --build --preset cpu --target tokenizer_bench
    .venv-bench/bin/python tests/bench/tokenizer_encode.py FOLDER TEXT... [--rounds N]

FOLDER holds *_base.tiktoken files, compared with tiktoken, and *.json files, compared with tokenizers. TEXT is cut into
documents of 8 KB, one call each. Seconds are processor time, so that other work on the machine counts little; a round
is ours, then the peer's, and the ratio is taken round by round. The first document of each is not counted.
"""

import argparse
import pathlib
import time

import tokenizer_peers as peers


def pairs(folder, program):
    for file in sorted(folder.glob("*_base.tiktoken")):
        name = file.name.removesuffix("_base.tiktoken")
        yield file.name, peers.Ours(file, name, program), peers.tiktoken_encoding(file, name).encode_ordinary
    for file in sorted(folder.glob("*.json")):
        tokenizer = peers.plain_tokenizer(file)
        yield file.name, peers.Ours(file, None, program), (
            lambda text, t=tokenizer: t.encode(text, add_special_tokens=False).ids
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("text", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=peers.PROGRAM)
    options = parser.parse_args()
    documents = peers.documents_of(options.text)
    encoded = [document.encode() for document in documents]
    megabytes = sum(map(len, encoded)) / 1e6
    print(f"{megabytes:.2f} MB in {len(documents)} documents; MB/s: median (lowest-highest) of {options.rounds}")
    for name, ours, peer in pairs(options.folder, options.program):
        assert ours.encode(encoded[0])[0].tolist() == list(peer(documents[0])), name
        our_speed, peer_speed, ratio = [], [], []
        for _ in range(options.rounds):
            seconds = sum(ours.encode(data)[1] for data in encoded)
            start = time.process_time()
            for document in documents:
                peer(document)
            peer_seconds = time.process_time() - start
            our_speed.append(megabytes / seconds)
            peer_speed.append(megabytes / peer_seconds)
            ratio.append(peer_seconds / seconds)
        print(f"{name:28} ours {peers.spread(our_speed)}  peer {peers.spread(peer_speed)}  ratio {peers.spread(ratio)}",
              flush=True)


if __name__ == "__main__":
    main()
