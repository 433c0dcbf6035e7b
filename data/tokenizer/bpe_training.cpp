#include "data/tokenizer/bpe_training.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe_merging.h"
#include "data/tokenizer/piece_counting.h"
#include "data/tokenizer/split_pattern.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

constexpr int32_t kBytes = 256;
constexpr int kMostThreads = 1024;

void check(const BpeTrainingSettings& settings) {
  auto specials = static_cast<int64_t>(settings.special.size());
  if (settings.vocabulary < kBytes + specials) {
    fail_input(fmt::format("a vocabulary of {} is too small: {} bytes and {} special tokens need at least {}",
                           settings.vocabulary, kBytes, specials, kBytes + specials));
  }
  require(settings.threads >= 1 && settings.threads <= kMostThreads,
          fmt::format("{} threads can not train; give 1 to {}", settings.threads, kMostThreads));
  for (size_t i = 0; i < settings.special.size(); ++i) {
    const std::string& text = settings.special[i];
    if (text.size() < 2) {
      fail_input(fmt::format(
          "the special token '{}' is too short: one of at least 2 bytes, such as <|{}|>, can not be "
          "taken for text",
          text, text));
    }
    if (!simdjson::validate_utf8(text)) {
      fail_input(
          fmt::format("the {}th special token is not UTF-8, which tokenizer.json is written in", i + 1));
    }
    if (std::count(settings.special.begin(), settings.special.end(), text) > 1) {
      fail_input(fmt::format("the special token '{}' is given twice", text));
    }
  }
}

// Their ids are not known yet; only their text matters while counting.
std::vector<AddedToken> special_tokens(const BpeTrainingSettings& settings, int32_t first_id) {
  std::vector<AddedToken> tokens;
  tokens.reserve(settings.special.size());
  for (const std::string& text : settings.special) {
    tokens.push_back({first_id + static_cast<int32_t>(tokens.size()), text, AddedToken::Kind::kSpecial});
  }
  return tokens;
}

PieceCounts count_pieces(const BpeTrainingSettings& settings, const std::string& regex,
                         const NextDocument& next) {
  Splitter splitter({regex}, fmt::format("split pattern {}", settings.pattern));
  AddedTokens passed_over(special_tokens(settings, 0), [](const AddedToken&) { return true; });
  PieceCounting counting(splitter, passed_over, settings.threads);
  std::string document;
  while (next(document)) counting.add(document);
  return counting.finish();
}

}  // namespace

TokenizerDefinition train_bpe(const BpeTrainingSettings& settings, const NextDocument& next,
                              const MergeProgress& progress) {
  check(settings);
  TokenizerDefinition definition;
  definition.expressions = {SplitPattern::named(settings.pattern).regex()};
  PieceCounts pieces = count_pieces(settings, definition.expressions.front(), next);
  require(pieces.occurrences() > 0, "the corpus is empty: there is no text in it to learn a vocabulary from");

  auto wanted = settings.vocabulary - kBytes - static_cast<int32_t>(settings.special.size());
  definition.merges = find_merges(pieces, wanted, [&](int32_t done) { progress(done, wanted); });
  for (int32_t byte = 0; byte < kBytes; ++byte) definition.tokens.emplace_back(1, static_cast<char>(byte));
  for (const Merge& merge : definition.merges) {
    definition.tokens.push_back(definition.tokens[static_cast<size_t>(merge.left)] +
                                definition.tokens[static_cast<size_t>(merge.right)]);
  }
  definition.added = special_tokens(settings, static_cast<int32_t>(definition.tokens.size()));
  definition.tokens.insert(definition.tokens.end(), settings.special.begin(), settings.special.end());
  return definition;
}

}  // namespace sextant::data
