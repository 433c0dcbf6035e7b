#!/usr/bin/env python3
"""Writes ids.json: what Hugging Face's tokenizers (0.23.3) makes of some texts with the tokenizers beside this file.

The tokenizers were trained by us, on the project's own documentation at the time:

    sextant tokenizer train --vocabulary 600 --pattern PATTERN --special '<|im_start|>' --output PATTERN.json docs/*.md

and digits.json is cl100k.json with another pre-tokenizer, which this script writes.
"""

import json
import pathlib

from tokenizers import Tokenizer

FOLDER = pathlib.Path(__file__).parent
TEXTS = [
    "",
    " ",
    "The ranks agree: every parameter knows its whole.",
    "  Two spaces, then\n\n\na few\tlines \n of text.\r\n",
    "it's IT'S we'll We'LL they'd can't 'twas 'ſ",
    "1234567890 3.14159 2024-01-02 ٣٤٥ ⅷ ²",
    "naïve café Ελληνικά Привет 日本語の文章 한국어 हिन्दी",
    "🙂👩‍👩‍👧‍👦 e\u0301\u00a0\u3000\u2028x\u180ey",
    "foo(bar)[0] == {'a': 1}; // path/to/file.cpp:41",
    "HTTPServerError camelCaseWord SHOUTING Title",
    "<|endoftext|>between<|im_start|> and <|im_start|>",
    "a\x00b\x1c\x7f\x85\ufffd",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "parallel " * 30,
]


def write_digits():
    model = json.loads((FOLDER / "cl100k.json").read_text(encoding="utf-8"))
    model["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }
    model["model"]["merges"] = [" ".join(merge) for merge in model["model"]["merges"]]
    (FOLDER / "digits.json").write_text(json.dumps(model, ensure_ascii=False), encoding="utf-8")


def ids(path, text, special):
    tokenizer = Tokenizer.from_file(str(path))
    if not special:
        # Without its special tokens the same file takes their text for text.
        plain = json.loads(path.read_text(encoding="utf-8"))
        plain["added_tokens"] = []
        tokenizer = Tokenizer.from_str(json.dumps(plain))
    return tokenizer.encode(text, add_special_tokens=False).ids


write_digits()
golden = {}
for name in ["gpt2.json", "cl100k.json", "o200k.json", "digits.json"]:
    path = FOLDER / name
    golden[name] = [
        {"text": text, "ids": ids(path, text, False), "ids_with_special": ids(path, text, True)} for text in TEXTS
    ]
(FOLDER / "ids.json").write_text(json.dumps(golden, indent=0).replace(",\n", ", "), encoding="utf-8")
