#include "data/tokenizer/fingerprint.h"

#include <fmt/format.h>

#include <string>

#include "parallel/base/seed.h"

namespace sextant::data {
namespace {

// What only some tokenizers have; nothing for plain byte-level BPE.
std::string fingerprint_of_kind(const TokenizerDefinition& definition) {
  std::string all;
  if (definition.merge_order == MergeOrder::kResult) all += "by result ";
  for (const NormalizerStep& step : definition.normalizer) {
    all += fmt::format("step {} {} {} {} {} ", static_cast<int>(step.kind), step.from.size(), step.from,
                       step.to.size(), step.to);
  }
  for (const AddedToken& token : definition.added) {
    bool in_normal_form = token.normalized && !definition.normalizer.empty();
    if (!token.single_word && !token.lstrip && !token.rstrip && !in_normal_form) continue;
    all += fmt::format("edges {} {} {} {} {} ", token.id, token.single_word, token.lstrip, token.rstrip,
                       in_normal_form);
  }
  if (definition.alphabet == Alphabet::kBytes) return all;
  const CharacterSettings& set = definition.characters;
  return all + fmt::format("characters {} {} {} {}", static_cast<int>(set.mark), set.unknown.value_or(-1),
                           set.one_unknown_a_run, set.byte_fallback);
}

}  // namespace

uint64_t fingerprint_of(const TokenizerDefinition& definition) {
  std::string all =
      fmt::format("{} {} {}\n", definition.tokens.size(), static_cast<int>(definition.whole_pieces),
                  static_cast<int>(definition.prefix_space));
  auto append = [&](std::string_view text) { all.append(fmt::format("{} ", text.size())).append(text); };
  for (const std::string& token : definition.tokens) append(token);
  for (const Merge& merge : definition.merges)
    all += fmt::format("{} {} {} ", merge.left, merge.right, merge.result);
  for (const std::string& expression : definition.expressions) append(expression);
  for (const AddedToken& token : definition.added) {
    all += fmt::format("{} {} ", token.id, static_cast<int>(token.kind));
    append(token.text);
  }
  return stable_hash(all + fingerprint_of_kind(definition));
}

}  // namespace sextant::data
