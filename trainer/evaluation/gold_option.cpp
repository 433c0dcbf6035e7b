#include "trainer/evaluation/gold_option.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

std::optional<int64_t> place_in(const std::vector<std::string>& texts, const std::string& text) {
  auto found = std::find(texts.begin(), texts.end(), text);
  if (found == texts.end()) return std::nullopt;
  return found - texts.begin();
}

std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int64_t within(int64_t index, const std::string& gold, size_t options) {
  if (index < 0 || index >= static_cast<int64_t>(options)) {
    fail_input(fmt::format("gold '{}' is out of range: it means option {}, counted from 0, but there are {}",
                           gold, index, options));
  }
  return index;
}

}  // namespace

int64_t gold_option(const std::string& gold, const std::vector<std::string>& options,
                    const std::vector<std::string>& labels, int64_t first) {
  if (!labels.empty()) {
    if (auto place = place_in(labels, gold)) return within(*place, gold, options.size());
    fail_input(fmt::format("gold '{}' is none of the labels {}", gold, fmt::join(labels, ", ")));
  }
  if (auto number = whole_number(gold)) {
    if (*number < first) {
      fail_input(
          fmt::format("gold '{}' is out of range: options count from {}, as gold_from says", gold, first));
    }
    return within(*number - first, gold, options.size());
  }
  if (gold.size() == 1 && gold[0] >= 'A' && gold[0] <= 'Z')
    return within(gold[0] - 'A', gold, options.size());
  if (auto place = place_in(options, gold)) return *place;
  if (options.size() == 2 && (gold == "true" || gold == "false")) return gold == "true" ? 1 : 0;
  fail_input(
      fmt::format("gold '{}' is no index, no letter and none of the {} options", gold, options.size()));
}

}  // namespace sextant::trainer
