#!/usr/bin/env python3
"""Token shards from JSON lines, a core's worth: ours against tokenizers + numpy, as Megatron's preprocess_data works.

    .venv-bench/bin/python tests/bench/shard_build.py TOKENIZER.json TEXT... [--megabytes N] [--rounds N]

The peer reads a line, parses it, encodes its text, appends the end of the document and writes the ids as an array, with
the index at the end: Megatron's way in one worker. Both have one thread's worth; the ratio is of processor seconds,
programs' starts included, and both shards must hold the same ids.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import tokenizer_peers as peers
from tokenizer_training import timed

PEER = """
import json, struct, sys
import numpy as np
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
end = tokenizer.token_to_id("<|endoftext|>")
kind = np.uint16 if tokenizer.get_vocab_size() < 65500 else np.int32
lengths = []
with open(sys.argv[2], encoding="utf-8") as lines, open(sys.argv[3] + ".bin", "wb") as output:
    for line in lines:
        ids = tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids
        ids.append(end)
        output.write(np.array(ids, dtype=kind).tobytes(order="C"))
        lengths.append(len(ids))
sizes = np.array(lengths, dtype=np.int32)
pointers = np.concatenate([[0], np.cumsum(sizes[:-1], dtype=np.int64) * kind().itemsize])
with open(sys.argv[3] + ".idx", "wb") as index:
    index.write(b"MMIDIDX\\x00\\x00" + struct.pack("<QBQQ", 1, 8 if kind is np.uint16 else 4, len(sizes), len(sizes) + 1))
    index.write(sizes.tobytes() + pointers.astype(np.int64).tobytes())
    index.write(np.arange(len(sizes) + 1, dtype=np.int64).tobytes())
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer")
    parser.add_argument("text", nargs="+")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = pathlib.Path(folder) / "corpus.jsonl"
        size = documents = 0
        with corpus.open("w", encoding="utf-8") as lines:
            for document in peers.documents_of(options.text, 3_000):
                if size >= options.megabytes * 1e6:
                    break
                lines.write(json.dumps({"text": document}) + "\n")
                size += len(document.encode())
                documents += 1
        ours = ["build/cpu/sextant", "data", "build", "--tokenizer", options.tokenizer, "--threads", "1", "--output",
                f"{folder}/ours", str(corpus)]
        peer = [sys.executable, "-c", PEER, options.tokenizer, str(corpus), f"{folder}/peer"]
        print(f"{size / 1e6:.1f} MB of text in {documents} documents, {options.tokenizer}")
        ratios = []
        for _ in range(options.rounds):
            a, b = timed(ours, OMP_NUM_THREADS="1"), timed(peer, TOKENIZERS_PARALLELISM="false")
            ratios.append(b[1] / a[1])
            print(f"ours {a[1]:.2f} s of processor, {size / 1e6 / a[1]:.1f} MB/s; peer {b[1]:.2f} s, "
                  f"{size / 1e6 / b[1]:.2f} MB/s: ratio {ratios[-1]:.1f}", flush=True)
        same = np.array_equal(np.fromfile(f"{folder}/ours.bin", np.uint8), np.fromfile(f"{folder}/peer.bin", np.uint8))
        print("the same ids" if same else "the ids DIFFER", "- median ratio", peers.spread(ratios))
        sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
