"""Ours and its peers behind one interface, and the text that scripts here compare them on."""

import base64
import gzip
import json
import pathlib
import random
import subprocess
import zipfile

import numpy as np
import tiktoken
import tiktoken.load
from tiktoken_ext import openai_public
from tokenizers import Tokenizer

PROGRAM = "build/cpu/tests/bench/tokenizer_bench"

# As Llama 3's own code has it.
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Ours:
    """Sextant's tokenizer in a process of its own."""

    def __init__(self, file, pattern=None, program=PROGRAM):
        self.process = subprocess.Popen(
            [program, str(file)] + ([pattern] if pattern else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def encode(self, data, kind="ordinary"):
        """The ids of bytes and the seconds of processor time that encoding took."""
        self.process.stdin.write(f"{kind} {len(data)}\n".encode() + data)
        self.process.stdin.flush()
        count, nanoseconds = self.process.stdout.readline().split()
        ids = np.frombuffer(self.process.stdout.read(4 * int(count)), dtype=np.int32)
        return ids, int(nanoseconds) / 1e9

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def tiktoken_encoding(file, name):
    """tiktoken's encoding `name` with the ranks of a local file; llama3 brings its own pattern."""
    ranks = {}
    lines = pathlib.Path(file).read_bytes().splitlines()
    for line in lines:
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    if name == "llama3":
        return tiktoken.Encoding(name, pat_str=LLAMA3_PATTERN, mergeable_ranks=ranks, special_tokens={})
    openai_public.load_tiktoken_bpe = lambda *_, **__: ranks
    return tiktoken.Encoding(**getattr(openai_public, f"{name}_base")())


def plain_tokenizer(file):
    """Hugging Face's tokenizer with its special tokens as ordinary text, which is how we encode documents."""
    model = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    model["added_tokens"] = [token for token in model.get("added_tokens", []) if not token["special"]]
    return Tokenizer.from_str(json.dumps(model))


def readable(path):
    """The text of a file: plain, gzip (also dictzip), or the members of a zip; what is not UTF-8 is left out."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                data = b"\n".join(archive.read(name) for name in archive.namelist())
        elif path.suffix in (".gz", ".dz"):
            data = gzip.decompress(path.read_bytes())
        else:
            data = path.read_bytes()
    except OSError:
        return ""
    return data.decode("utf-8", errors="ignore")


def chunks_of(paths, size):
    """Stretches of about `size` characters from files and from all files below folders, in order of their names."""
    for path in map(pathlib.Path, paths):
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        text = ""
        for file in files:
            text += readable(file)
            while len(text) >= size:
                yield text[:size]
                text = text[size:]
        if text:
            yield text


def mutated(text, key):
    """The same text damaged in a way that depends on `key` alone: words swapped, characters put in, case turned."""
    rng = random.Random(key)
    words = text.split(" ")
    for _ in range(len(words) // 4):
        a, b = rng.randrange(len(words)), rng.randrange(len(words))
        words[a], words[b] = words[b], words[a]
    characters = list(" ".join(words))
    for _ in range(len(characters) // 50):
        at = rng.randrange(len(characters))
        action = rng.randrange(5)
        if action == 0:
            characters[at] = chr(rng.choice([rng.randrange(0x20, 0x7F), rng.randrange(0xA0, 0x3000)]))
        elif action == 1:
            characters[at] = characters[at].swapcase()
        elif action == 2:
            characters[at] = rng.choice(["\n", "\r\n", "  ", "\t", "'s", "'LL", "\u0301", "\u200d", "\u00a0", "7"])
        elif action == 3:
            characters[at] = ""
        else:
            code = rng.randrange(0x110000)
            characters[at] = "" if 0xD800 <= code < 0xE000 else chr(code)
    return "".join(characters)


def documents_of(paths, size=8_000):
    """Text as documents of about `size` characters, cut at lines."""
    documents, held = [], ""
    for path in paths:
        for line in readable(pathlib.Path(path)).splitlines(keepends=True):
            held += line
            if len(held) >= size:
                documents.append(held)
                held = ""
    return documents + [held] if held else documents


def spread(values):
    """Median, lowest and highest, for a table."""
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:8.1f} ({ordered[0]:.1f}-{ordered[-1]:.1f})"
