#!/usr/bin/env python3
"""Writes data/tokenizer/unicode_table.cpp: the general categories that split patterns ask for.

    .venv-bench/bin/python tests/golden/tokenizer/make_unicode_classes.py > data/tokenizer/unicode_table.cpp
    clang-format -i data/tokenizer/unicode_table.cpp

The categories are those that the regular expressions of tokenizers and tiktoken know (Unicode 16; both are asked and
must agree), so that pieces are cut alike. The second table holds what is younger than Unicode 14, the tables of
Debian 12's PCRE2; Python 3.11's unicodedata is that old too.
"""

import unicodedata

import tiktoken
from tokenizers import Regex, pre_tokenizers

CLASSES = {1: r"\p{Lu}", 2: r"\p{Lt}", 3: r"\p{Ll}", 4: r"\p{Lm}", 5: r"\p{Lo}", 6: r"\p{M}", 7: r"\p{N}", 8: r"\s"}
CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def of_tiktoken(expression):
    ranks = {bytes([b]): b for b in range(256)}
    encoding = tiktoken.Encoding("bytes", pat_str=expression, mergeable_ranks=ranks, special_tokens={})
    return {c for c in CODES if encoding.encode_ordinary(chr(c))}


def of_tokenizers(expression):
    split = pre_tokenizers.Split(Regex(expression), "removed")
    return {c for c in CODES if not split.pre_tokenize_str(chr(c))}


def main():
    assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version
    classes = [0] * 0x110000
    for number, expression in CLASSES.items():
        members = of_tokenizers(expression)
        assert members == of_tiktoken(expression), expression
        for code in members:
            assert classes[code] == 0
            classes[code] = number
    starts = [(c, classes[c]) for c in range(0x110000) if c == 0 or classes[c] != classes[c - 1]]
    young = [classes[c] != 0 and unicodedata.category(chr(c)) == "Cn" for c in range(0x110000)]
    ranges = [c for c in range(1, 0x110000) if young[c] != young[c - 1]]
    print("// Made by tests/golden/tokenizer/make_unicode_classes.py.")
    print('#include "data/tokenizer/unicode_classes.h"\n\nnamespace sextant::data {\n')
    print(f"constexpr uint32_t kStarts[] = {{{', '.join(f'0x{c << 4 | k:x}' for c, k in starts)}}};\n")
    print(f"constexpr uint32_t kYounger[] = {{{', '.join(f'0x{c:x}' for c in ranges)}}};\n")
    print("std::span<const uint32_t> unicode_class_starts() {\n  return kStarts;\n}\n")
    print("std::span<const uint32_t> younger_than_unicode_14() {\n  return kYounger;\n}\n")
    print("}  // namespace sextant::data")


main()
