#pragma once

#include <string>
#include <string_view>

namespace sextant::data {

// An expression of a tokenizer.json, written for Oniguruma, as PCRE2 has to see it to match the same:
// - \s without U+180E, which Unicode took out of White_Space in 2013 and PCRE2 keeps in \s;
// - \p{L}, \p{N}, \p{M} and the kinds of letters with the members that are younger than PCRE2's tables;
// - X{1,3}+ as (?:X{1,3})+ , for only in PCRE2 would the + make it possessive.
std::string in_pcre2_dialect(std::string_view regex);

}  // namespace sextant::data
