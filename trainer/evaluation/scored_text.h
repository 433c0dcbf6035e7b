#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace sextant::trainer {

// Ids of which the last ones are measured: each given all ids before it.
struct ScoredText {
  std::vector<int32_t> ids;
  size_t first = 1;        // ids[first ..] are measured; at least 1
  bool truncated = false;  // ids at the front were left out, since the model's context holds no more
  size_t kept = 0;         // so many ids at the front other texts are likely to begin with, too

  size_t measured() const { return ids.size() - first; }
};

// How a model reads texts in an evaluation.
struct TextForm {
  const data::Tokenizer& tokenizer;
  std::vector<int32_t> opening;  // ids that stand before every text
  int64_t context = 0;           // the longest text that the model reads
};

// Context and continuation as lm-evaluation-harness cuts them: spaces at the context's end belong to the
// continuation; both are encoded as one text, and what is measured begins behind as many ids as the context
// has on its own. An empty context is the opening, else the end of text. Where there is too much, ids at the
// front are left out. `kept_bytes` of the context other texts are likely to begin with, too. Throws
// Error(kInput) where nothing is left to measure, or the continuation alone is too long.
ScoredText scored_pair(const TextForm& form, const std::string& context, const std::string& continuation,
                       size_t kept_bytes = 0);

// A whole text in windows of which each measures ids that no other does, all of them together every id of the
// text (lm-evaluation-harness' rolling windows): the first window has the form's opening or the end of text
// in front; each later one measures `stride` ids (0: the context) and is as long as the model reads. A
// tokenizer that has neither opening nor end of text leaves the first id unmeasured.
std::vector<ScoredText> rolling_windows(const TextForm& form, const std::string& text, int64_t stride);

}  // namespace sextant::trainer
