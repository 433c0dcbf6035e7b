#!/usr/bin/env python3
"""Encoding on one thread, ours against tiktoken and tokenizers in turn: megabytes a second and their ratio.

    cmake --build --preset cpu --target tokenizer_bench
    .venv-bench/bin/python tests/bench/tokenizer_encode.py FOLDER TEXT... [--megabytes N] [--rounds N] [--only NAME]

FOLDER holds *_base.tiktoken files, compared with tiktoken, and *.json files, compared with tokenizers. TEXT is cut into
documents of 8 KB, one call each; no more than --megabytes are taken, evenly from its whole length.

A round is ours in a new process, which has seen no text yet, then ours over the same text again, then the peer. Ours
remembers the words that it meets, so both figures are given: the first pass and the second; the ratio is the first's.
Seconds are processor time, so that other work on the machine counts little. The peer's are of the call that its users
make (encode_ordinary; encode_batch of one document), after one document that is not counted. All ids are compared, outside of what is timed.
"""

import argparse
import pathlib
import time

import numpy as np
import tokenizer_peers as peers


def pairs(folder, program):
    for file in sorted(folder.glob("*_base.tiktoken")):
        name = file.name.removesuffix("_base.tiktoken")
        yield file.name, lambda f=file, n=name: peers.Ours(f, n, program), peers.tiktoken_encoding(file, name).encode_ordinary
    for file in sorted(folder.glob("*.json")):
        tokenizer = peers.plain_tokenizer(file)
        yield file.name, lambda f=file: peers.Ours(f, None, program), (
            lambda text, t=tokenizer: t.encode(text, add_special_tokens=False).ids
        )


def evenly(documents, megabytes):
    """Documents from the whole length of the text, about as many megabytes."""
    total = sum(len(document.encode()) for document in documents)
    share = min(1.0, megabytes * 1e6 / total)
    return [d for i, d in enumerate(documents) if int((i + 1) * share) > int(i * share)]


def peer_round(peer, documents):
    """Seconds of the peer. Answers are dropped at once, so that their memory is used again and stays in the cache."""
    peer(documents[0])
    start = time.process_time()
    for document in documents:
        peer(document)
    return time.process_time() - start


def compare(ids, peer, documents):
    at = 0
    for document in documents:
        expected = np.asarray(peer(document), dtype=np.int32)
        assert np.array_equal(ids[at : at + len(expected)], expected), f"ids differ near token {at}"
        at += len(expected)
    assert at == len(ids), "the numbers of tokens differ"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("text", nargs="+")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only tokenizers whose name holds this")
    parser.add_argument("--program", default=peers.PROGRAM)
    options = parser.parse_args()
    documents = evenly(peers.documents_of(options.text), options.megabytes)
    corpus = "\x1e".join(documents).encode()
    assert corpus.count(b"\x1e") == len(documents) - 1, "the text holds the byte that documents are cut with"
    megabytes = len(corpus) / 1e6
    print(f"{megabytes:.2f} MB in {len(documents)} documents; MB/s: median (lowest-highest) of {options.rounds}")
    for name, start_ours, peer in pairs(options.folder, options.program):
        if options.only not in name:
            continue
        first, again, theirs, ratio = [], [], [], []
        for number in range(options.rounds):
            ours = start_ours()
            ids, seconds = ours.encode(corpus, "corpus")
            seconds_again = ours.encode(corpus, "corpus")[1]
            ours.stop()
            if number == 0:
                compare(ids, peer, documents)
            peer_seconds = peer_round(peer, documents)
            first.append(megabytes / seconds)
            again.append(megabytes / seconds_again)
            theirs.append(megabytes / peer_seconds)
            ratio.append(peer_seconds / seconds)
        print(f"{name:28} ours {peers.spread(first)} first, {peers.spread(again)} again; peer {peers.spread(theirs)}; "
              f"ratio {peers.spread(ratio)}", flush=True)


if __name__ == "__main__":
    main()
