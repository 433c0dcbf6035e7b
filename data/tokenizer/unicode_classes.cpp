#include "data/tokenizer/unicode_classes.h"

#include <fmt/format.h>

#include <algorithm>

namespace sextant::data {
namespace {

constexpr uint32_t kCodes = 0x110000;
constexpr CharacterClass kClassOf[] = {kOther,   kUpper, kUpper,  kLower, kUncased,
                                       kUncased, kMark,  kNumber, kSpace};
constexpr std::string_view kCategories[] = {"", "Lu", "Lt", "Ll", "Lm", "Lo", "M", "N", ""};

// Calls visit(from, to, category) for each range of the generated table.
template <class Visit>
void each_range(Visit visit) {
  auto starts = unicode_class_starts();
  for (size_t i = 0; i < starts.size(); ++i) {
    visit(starts[i] >> 4, i + 1 < starts.size() ? starts[i + 1] >> 4 : kCodes, starts[i] & 0xf);
  }
}

}  // namespace

const UnicodeClasses& UnicodeClasses::table() {
  static const UnicodeClasses classes;
  return classes;
}

UnicodeClasses::UnicodeClasses() {
  std::vector<CharacterClass> flat(kCodes, kOther);
  each_range([&](uint32_t from, uint32_t to, uint32_t category) {
    std::fill(flat.begin() + from, flat.begin() + to, kClassOf[category]);
  });
  flat['\n'] = flat['\r'] = kNewline;
  for (uint32_t at = 0; at < kCodes; at += 256) {
    Block block;
    std::copy_n(flat.begin() + at, 256, block.begin());
    auto known = std::find(blocks_.begin(), blocks_.end(), block);
    stage_[at >> 8] = static_cast<uint16_t>(known - blocks_.begin());
    if (known == blocks_.end()) blocks_.push_back(block);
  }
}

std::string younger_members(std::string_view property) {
  std::string members;
  auto younger = younger_than_unicode_14();
  each_range([&](uint32_t from, uint32_t to, uint32_t category) {
    if (property.empty() || !kCategories[category].starts_with(property)) return;
    for (size_t i = 0; i + 1 < younger.size(); i += 2) {
      uint32_t first = std::max(from, younger[i]), end = std::min(to, younger[i + 1]);
      if (first < end) members += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", first, end - 1);
    }
  });
  return members;
}

}  // namespace sextant::data
