#include "data/tokenizer/tiktoken_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "data/tokenizer/split_pattern.h"
#include "data/tokenizer/tiktoken_special.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// The longest in use have 128 bytes. All ways to cut a token in two are tried, which must stay cheap.
constexpr size_t kLongestToken = 512;

std::optional<std::string> from_base64(std::string_view text) {
  static constexpr std::array<int8_t, 256> kValues = [] {
    std::array<int8_t, 256> values{};
    values.fill(-1);
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < kAlphabet.size(); ++i)
      values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
    return values;
  }();
  size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  uint32_t bits = 0;
  int held = 0;
  for (char c : text.substr(0, text.size() - padding)) {
    int8_t value = kValues[static_cast<uint8_t>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>(bits >> held & 0xff);
    }
  }
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  return bytes;
}

// Reads the lines of one file.
class RankFile {
 public:
  explicit RankFile(const std::string& origin) : origin_(origin) {}

  void read(std::string_view text) {
    for (size_t at = 0; at < text.size(); ++line_) {
      size_t end = std::min(text.find('\n', at), text.size());
      std::string_view line = text.substr(at, end - at);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (!line.empty()) read_line(line);
      at = end + 1;
    }
    check_bytes();
  }

  // Tokens by rank; a rank that no line has stays empty.
  std::vector<std::string> tokens() const {
    auto highest = std::max_element(ranks_.begin(), ranks_.end(),
                                    [](const auto& a, const auto& b) { return a.second < b.second; });
    // So that a short file can not ask for much memory; the published ones have one hole at most.
    if (highest->second >= 2 * static_cast<int64_t>(ranks_.size())) {
      fail_input(
          fmt::format("{}: the highest rank is {}, but there are {} tokens; ranks count up from 0 with few "
                      "left out",
                      origin_, highest->second, ranks_.size()));
    }
    std::vector<std::string> tokens(static_cast<size_t>(highest->second) + 1);
    for (const auto& [bytes, rank] : ranks_) {
      std::string& place = tokens[static_cast<size_t>(rank)];
      if (!place.empty()) fail_input(fmt::format("{}: two tokens have rank {}", origin_, rank));
      place = bytes;
    }
    return tokens;
  }

  // Every pair of tokens whose joined bytes are a token, by the rank of that.
  std::vector<Merge> merges(const std::vector<std::string>& tokens) const {
    std::vector<Merge> merges;
    std::unordered_map<std::string_view, int32_t> ids;
    for (const auto& [bytes, rank] : ranks_) ids.emplace(bytes, rank);
    for (size_t rank = 0; rank < tokens.size(); ++rank) {
      std::string_view whole = tokens[rank];
      size_t first = merges.size();
      for (size_t cut = 1; cut < whole.size(); ++cut) {
        auto left = ids.find(whole.substr(0, cut));
        if (left == ids.end()) continue;
        auto right = ids.find(whole.substr(cut));
        if (right != ids.end()) merges.push_back({left->second, right->second, static_cast<int32_t>(rank)});
      }
      std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(),
                [](const Merge& a, const Merge& b) {
                  return std::tie(a.left, a.right) < std::tie(b.left, b.right);
                });
    }
    return merges;
  }

  int64_t count() const { return static_cast<int64_t>(ranks_.size()); }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    fail_input(fmt::format("{}: line {}: {}", origin_, line_, message));
  }

  void read_line(std::string_view line) {
    size_t space = line.find(' ');
    if (space == std::string_view::npos)
      fail("must be a token in base64, a space and a rank; is it a tiktoken file?");
    auto bytes = from_base64(line.substr(0, space));
    if (!bytes) fail(fmt::format("'{}' is not base64", line.substr(0, std::min<size_t>(space, 60))));
    if (bytes->size() > kLongestToken) {
      fail(fmt::format("a token of {} bytes is too long; at most {} are accepted", bytes->size(),
                       kLongestToken));
    }
    std::string_view digits = line.substr(space + 1);
    int32_t rank = 0;
    auto [stopped, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    if (error != std::errc() || stopped != digits.data() + digits.size() || rank < 0) {
      fail(fmt::format("'{}' is not a rank, which is a whole number from 0 on", digits.substr(0, 40)));
    }
    if (!ranks_.emplace(*std::move(bytes), rank).second) fail("the same token stands on an earlier line");
  }

  void check_bytes() const {
    for (int byte = 0; byte < 256; ++byte) {
      if (ranks_.contains(std::string(1, static_cast<char>(byte)))) continue;
      fail_input(fmt::format(
          "{}: no token for the byte {}, of {} tokens; a rank file holds all 256 single bytes; is "
          "it whole?",
          origin_, byte, ranks_.size()));
    }
  }

  std::string origin_;
  size_t line_ = 1;
  std::unordered_map<std::string, int32_t> ranks_;
};

}  // namespace

TokenizerDefinition read_tiktoken_ranks(std::string_view text, std::string_view pattern,
                                        const std::string& origin) {
  TokenizerDefinition definition;
  definition.expressions = {SplitPattern::named(pattern).regex()};
  definition.whole_pieces = WholePieces::kLookUp;
  definition.merge_order = MergeOrder::kResult;
  if (pattern == "qwen2") definition.normalizer = {{NormalizerStep::Kind::kNfc, "", ""}};
  RankFile file(origin);
  file.read(text);
  definition.tokens = file.tokens();
  definition.merges = file.merges(definition.tokens);
  definition.added = special_tokens_of(pattern, file.count(), static_cast<int32_t>(definition.tokens.size()));
  for (const AddedToken& token : definition.added) {
    auto at = static_cast<size_t>(token.id);
    if (at >= definition.tokens.size()) definition.tokens.resize(at + 1);
    if (!definition.tokens[at].empty()) {
      fail_input(fmt::format("{}: rank {} is taken, but {} has the special token {} there", origin, token.id,
                             pattern, token.text));
    }
    definition.tokens[at] = token.text;
  }
  return definition;
}

std::string_view pattern_of_published(std::string_view file_name) {
  for (std::string_view pattern : {"r50k", "p50k", "cl100k", "o200k"}) {
    if (file_name == fmt::format("{}_base.tiktoken", pattern)) return pattern;
  }
  if (file_name == "gpt2.tiktoken") return "gpt2";
  return file_name == "qwen.tiktoken" ? std::string_view("qwen2") : std::string_view();
}

}  // namespace sextant::data
