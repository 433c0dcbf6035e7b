#!/usr/bin/env python3
"""Writes families/: small tokenizers of the kinds that people have, and hashes of what their own engines make of text.

    .venv-bench/bin/python tests/golden/tokenizer/make_families.py

The vocabularies are learned here, by Hugging Face's tokenizers (0.22.1), from the project's own documentation. The text
is made by a generator that data/tokenizer/families_test.cpp has as well: from a seed, and by sweeping over Unicode. Ids
are those of tokenizers, or of tiktoken (0.12.0) for ranks.tiktoken; pieces are those that Python's regex finds with the
patterns as OpenAI, Meta and Alibaba publish them.
"""

import base64
import json
import pathlib
import unicodedata

import regex
import tiktoken
from tiktoken_ext import openai_public
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).parent / "families"
CORPUS = sorted((pathlib.Path(__file__).parents[3] / "docs").glob("*.md"))
MASK = (1 << 64) - 1
SEEDS = 40
UNITS = 400
SWEPT = 0x32000

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"\p{N}{1,3}" + TAIL
QWEN2 = CONTRACTIONS + r"\p{N}" + TAIL

PARTS = [
    "the ", "rank", " mesh", "parallel", "Every", "HTTP", "Server", " it's", "'S", "'LL", "'ve", "'ſ", "’s", "don't", " ",
    "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u3000", "\u2028", "\u0085", "0", "12", "345", "2024", "٣٤", "Ⅷ",
    "²", "!", "...", "//", "/\n", "::", "(", "_", "`", "é", "e\u0301", "ö\u0323", "o\u0323\u0308", "Å", "\u212b", "ﬁ", "각",
    "\u1100\u1161\u11a8", "日本", "の", "русский", "Ελλάς", "ΣΑΣ", "हिन्दी", "עברית", "العربية", "ǅ", "ʰ", "🙂", "👩\u200d👧", "🇩🇪", "▁", "▁▁",
    "<0x41>", "\x00", "\x1c", "\x7f", "\ufeff", "\ufffd", "\U0001e900", "\U00031350", "<|endoftext|>", "<tool_call>",
    " <mask> ", "<mask>", "x<word>", " <word> ", "Ünorm", "Unorm",
]


class Generator:
    """splitmix64."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % bound


def seeded(seed):
    generator = Generator(seed)
    units = []
    for _ in range(UNITS):
        part = PARTS[generator.below(len(PARTS))]
        units.append(part * (1 + (generator.below(12) == 0) * generator.below(9)))
    return "".join(units)


def sweep(first, left_out):
    codes = [c for c in range(first, first + 4096) if c < 0x3400 or c % 8 == 0]
    codes = [c for c in codes if not 0xD800 <= c < 0xE000 and c not in left_out]
    return "".join(f"a{chr(c)}B {chr(c)}1{chr(c)}'s\n{chr(c)} " for c in codes)


def hashed(numbers):
    """FNV-1a over 32-bit numbers."""
    value = 0xCBF29CE484222325
    for number in numbers:
        value = ((value ^ number) * 0x100000001B3) & MASK
    return f"{value:016x}"


def differing():
    """Code points below SWEPT that regex, which has a younger Unicode, puts into another class than tokenizers does."""
    out = set()
    for name in ["L", "N", "Lu", "Ll", "Lt", "Lm", "Lo", "M"]:
        split = pre_tokenizers.Split(Regex(r"\p{%s}" % name), "removed")
        theirs = regex.compile(r"\p{%s}" % name)
        for c in range(SWEPT):
            if not 0xD800 <= c < 0xE000 and (not split.pre_tokenize_str(chr(c))) != bool(theirs.match(chr(c))):
                out.add(c)
    # Letters in two cases that are younger than ICU's tables of Debian 12.
    lower = normalizers.Lowercase()
    for c in range(SWEPT):
        if unicodedata.category(chr(c)) == "Cn" and lower.normalize_str(chr(c)) != chr(c):
            out.add(c)
    return out


def trained(tokenizer, size, special, **settings):
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, **settings)
    tokenizer.train([str(path) for path in CORPUS], trainer)
    return tokenizer


def byte_level(split, normalizer=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return trained(tokenizer, 700, ["<|endoftext|>"], initial_alphabet=alphabet)


def llama3():
    return byte_level(pre_tokenizers.Split(Regex(LLAMA3), "isolated"), ignore_merges=True)


def qwen2():
    tokenizer = byte_level(pre_tokenizers.Split(Regex(QWEN2), "isolated"), normalizers.NFC())
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False, special=False)])
    return tokenizer


def smollm2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # Without an alphabet given: bytes that the corpus lacks have no token, as in SmolLM2.
    return trained(tokenizer, 700, ["<|endoftext|>", "<|im_start|>"])


def edges():
    """Added tokens that take white space along, stand alone, or are looked for in normalised text."""
    tokenizer = byte_level(pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                           normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]))
    tokenizer.add_tokens([AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False),
                          AddedToken("<word>", single_word=True, normalized=False),
                          AddedToken("Ünorm", normalized=True)])
    return tokenizer


def sentencepiece(tokenizer):
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    tokenizer = trained(tokenizer, 900, special)
    # The bytes are tokens of the vocabulary, not added ones.
    model = json.loads(tokenizer.to_str())
    model["added_tokens"] = model["added_tokens"][:3]
    return Tokenizer.from_str(json.dumps(model))


def llama2():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "never", split=True)  # for learning alone
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer = sentencepiece(tokenizer)
    model = json.loads(tokenizer.to_str())
    model["pre_tokenizer"] = None
    return Tokenizer.from_str(json.dumps(model))


def mistral():
    """The newer way to write the same, and without bytes for what is unknown."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=True)
    tokenizer.decoder = decoders.Metaspace("▁", "first", split=True)
    return sentencepiece(tokenizer)


def ranks(tokenizer):
    """A rank file out of a learned tokenizer: bytes first, then its merges, with two ranks left out."""
    model = json.loads(tokenizer.to_str())["model"]
    spelled = {ord(c): b for b, c in zip(*spelling())}
    tokens = [bytes([b]) for b in range(256)]
    for merge in model["merges"]:
        left, right = merge if isinstance(merge, list) else merge.split(" ")
        token = bytes(spelled[ord(c)] for c in left + right)
        if token not in tokens:
            tokens.append(token)
    return {token: rank + (rank > 300) + (rank > 500) for rank, token in enumerate(tokens)}


def spelling():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return printable + others, [chr(b) for b in printable] + [chr(0x100 + i) for i in range(len(others))]


def ordinary(tokenizer):
    """A tokenizer to which special tokens are text like any other."""
    model = json.loads(tokenizer.to_str())
    model["added_tokens"] = [token for token in model["added_tokens"] if not token["special"]]
    return Tokenizer.from_str(json.dumps(model))


def main():
    FOLDER.mkdir(exist_ok=True)
    left_out = differing()
    texts = [seeded(seed) for seed in range(SEEDS)] + [sweep(first, left_out) for first in range(0, SWEPT, 4096)]
    golden = {"parts": PARTS, "seeds": SEEDS, "units": UNITS, "swept": SWEPT, "left_out": sorted(left_out), "ids": {},
              "ids_with_special": {}, "pieces": {}, "decoded": {}}
    for make in [llama3, qwen2, smollm2, edges, llama2, mistral]:
        tokenizer, name = make(), make.__name__ + ".json"
        (FOLDER / name).write_text(tokenizer.to_str(), encoding="utf-8")
        for key, engine in [("ids", ordinary(tokenizer)), ("ids_with_special", tokenizer)]:
            golden[key][name] = [hashed(engine.encode(text, add_special_tokens=False).ids) for text in texts]
        ids = tokenizer.encode("The ranks agree, finally.", add_special_tokens=False).ids
        golden["decoded"][name] = {"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)}
    table = ranks(byte_level(pre_tokenizers.Split(Regex(LLAMA3), "isolated")))
    lines = [base64.b64encode(token).decode() + f" {rank}" for token, rank in table.items()]
    (FOLDER / "ranks.tiktoken").write_text("\n".join(lines) + "\n")
    openai_public.load_tiktoken_bpe = lambda *_, **__: table
    patterns = {name: getattr(openai_public, f"{name}_base")()["pat_str"] for name in ["r50k", "p50k", "cl100k", "o200k"]}
    patterns |= {"llama3": LLAMA3, "qwen2": QWEN2}
    for name, pattern in patterns.items():
        encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=table, special_tokens={})
        normal = (lambda t: unicodedata.normalize("NFC", t)) if name == "qwen2" else (lambda t: t)
        if name != "qwen2":  # Python's NFC is older than ours
            golden["ids"]["ranks.tiktoken " + name] = [hashed(encoding.encode_ordinary(normal(t))) for t in texts]
        golden["pieces"][name] = [
            hashed(len(m.group().encode()) for m in regex.finditer(pattern, text)) for text in texts
        ]
    text = json.dumps(golden, indent=0, ensure_ascii=True).replace(",\n", ", ")
    (FOLDER / "golden.json").write_text(text, encoding="utf-8")


main()
