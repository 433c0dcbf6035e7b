#include "trainer/evaluation/scored_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// What stands in front of a text that has nothing else: at most one of them is needed to measure its first
// id.
std::vector<int32_t> front_of(const TextForm& form) {
  if (!form.opening.empty()) return form.opening;
  if (auto end = form.tokenizer.end_of_text()) return {*end};
  return {};
}

// The ids that a text and what it begins with, encoded on its own, have in common, all of them before what is
// measured.
size_t kept_ids(const TextForm& form, const std::string& front, const ScoredText& text) {
  std::vector<int32_t> ids = form.opening;
  form.tokenizer.encode(front, ids);
  auto [end, unused] = std::mismatch(ids.begin(), ids.end(), text.ids.begin(), text.ids.end());
  return std::min(static_cast<size_t>(end - ids.begin()), text.first - 1);
}

}  // namespace

ScoredText scored_pair(const TextForm& form, const std::string& context, const std::string& continuation,
                       size_t kept_bytes) {
  // White space as Python's rstrip has it; bytes of other characters are never these.
  size_t kept = context.find_last_not_of(" \t\n\r\f\v");
  std::string before = context.substr(0, kept == std::string::npos ? 0 : kept + 1);
  ScoredText text;
  text.ids = before.empty() ? front_of(form) : form.opening;
  text.first = text.ids.size() + form.tokenizer.encode(before).size();
  require(text.first > 0, "the context is empty, and the tokenizer has no end of text to stand in for it");
  form.tokenizer.encode(context + continuation, text.ids);
  require(text.ids.size() > text.first,
          fmt::format("the continuation '{}' adds no token to its context", continuation.substr(0, 60)));
  // The last id is measured and not read.
  auto most = static_cast<size_t>(form.context) + 1;
  if (text.ids.size() <= most) {
    if (kept_bytes > 0) text.kept = kept_ids(form, context.substr(0, kept_bytes), text);
    return text;
  }
  size_t left_out = text.ids.size() - most;
  if (left_out >= text.first) {
    fail_input(fmt::format("a continuation of {} tokens does not fit into the model's context of {}",
                           text.measured(), form.context));
  }
  text.ids.erase(text.ids.begin(), text.ids.begin() + static_cast<int64_t>(left_out));
  text.first -= left_out;
  text.truncated = true;
  return text;
}

std::vector<ScoredText> rolling_windows(const TextForm& form, const std::string& text, int64_t stride) {
  std::vector<int32_t> ids = front_of(form);
  size_t front = std::max<size_t>(ids.size(), 1);
  form.tokenizer.encode(text, ids);
  auto context = static_cast<size_t>(form.context);
  size_t step = stride > 0 ? std::min(static_cast<size_t>(stride), context) : context;
  std::vector<ScoredText> windows;
  for (size_t from = front; from < ids.size();) {
    size_t to = windows.empty() ? std::min(ids.size(), context + 1) : std::min(ids.size(), from + step);
    size_t begin = to > context + 1 ? to - context - 1 : 0;
    windows.push_back({{ids.begin() + static_cast<int64_t>(begin), ids.begin() + static_cast<int64_t>(to)},
                       from - begin,
                       false});
    from = to;
  }
  return windows;
}

}  // namespace sextant::trainer
