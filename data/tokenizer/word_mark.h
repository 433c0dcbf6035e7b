#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/definition.h"

namespace sextant::data {

// SentencePiece writes a space as U+2581, a character like any other, and cuts text nowhere.
inline constexpr std::string_view kWordMark = "\xe2\x96\x81";

// Where a stretch between added tokens stands in its text.
enum class Stretch { kFirst, kLater };

// The text with marks for its spaces, and one in front where `mark` asks for it.
std::string marked(std::string_view text, CharacterSettings::Mark mark, Stretch place);

// The definition's expressions. Where it has none and no token holds a mark behind another character, no
// merge can cross from a word into the next mark: then one that cuts there changes no id, and makes pieces
// that are short and come again.
std::vector<std::string> splitting_expressions(const TokenizerDefinition& definition);

// What the tokens stand for: a space for each mark, the byte of "<0x0A>".
std::vector<std::string> decoded_tokens(const TokenizerDefinition& definition);

}  // namespace sextant::data
