#pragma once

#include <filesystem>
#include <memory>

#include "data/contamination/text_pieces.h"
#include "data/tokenizer/tokenizer.h"

namespace sextant::data {

// The pieces of a token shard, decoded by its tokenizer in the threads that search. Special tokens are no
// text: they count as white space. Positions are tokens of the document. Throws Error(kInput) where the shard
// is damaged (its checksums are compared) or has ids that the tokenizer has not. `tokenizer` must outlive it.
std::unique_ptr<PieceSource> open_shard_pieces(const std::filesystem::path& prefix,
                                               const Tokenizer& tokenizer);

}  // namespace sextant::data
