#include "data/tokenizer/tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "data/durable_file.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe.h"
#include "data/tokenizer/fingerprint.h"
#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/piece_stream.h"
#include "data/tokenizer/split_pattern.h"
#include "data/tokenizer/splitter.h"
#include "data/tokenizer/tiktoken_ranks.h"
#include "data/tokenizer/word_mark.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

constexpr uint64_t kLongestFile = uint64_t{1} << 30;

// What one call of encode works with; kept for the next call, so that a cache stays warm over documents.
struct EncodeMemory {
  Splitter::Matchers matchers;
  PieceMemory pieces;
};

// Idle EncodeMemory: as many as threads ever encoded at once.
class MemoryPool {
 public:
  std::unique_ptr<EncodeMemory> take(const Splitter& splitter) {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto memory = std::move(idle_.back());
        idle_.pop_back();
        return memory;
      }
    }
    return std::make_unique<EncodeMemory>(EncodeMemory{splitter.matchers(), PieceMemory()});
  }
  void give_back(std::unique_ptr<EncodeMemory> memory) {
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(memory));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<EncodeMemory>> idle_;
};

// tokenizer.json does not say which token ends a document; these are the names in use, the most telling
// first.
constexpr std::string_view kEndOfText[] = {"<|endoftext|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>",
                                           "</s>", "<eos>"};

}  // namespace

// The added tokens that one way of encoding cuts out: of the text as it stands, and of the normalised text.
struct Tokenizer::Cuts {
  template <class Wanted>
  Cuts(const TokenizerDefinition& definition, const Normalizer& normalizer, Wanted wanted)
      : raw(definition.added, [&](const AddedToken& t) { return !t.normalized && wanted(t); }),
        normalized(in_normal_form(definition.added, normalizer),
                   [&](const AddedToken& t) { return t.normalized && wanted(t); }) {}

  AddedTokens raw, normalized;

 private:
  static std::vector<AddedToken> in_normal_form(std::vector<AddedToken> tokens,
                                                const Normalizer& normalizer) {
    std::string memory;
    for (AddedToken& token : tokens) token.text = std::string(normalizer.apply(token.text, memory));
    return tokens;
  }
};

struct Tokenizer::Parts {
  Parts(TokenizerDefinition read, std::string text, const std::string& origin)
      : definition(std::move(read)),
        json(std::move(text)),
        normalizer(definition.normalizer),
        splitter(splitting_expressions(definition), fmt::format("{}: pre_tokenizer", origin)),
        bpe(definition),
        ordinary(definition, normalizer,
                 [](const AddedToken& t) { return t.kind == AddedToken::Kind::kOrdinary; }),
        all_added(definition, normalizer, [](const AddedToken&) { return true; }),
        fingerprint(fingerprint_of(definition)) {
    for (const AddedToken& token : definition.added) {
      if (token.kind == AddedToken::Kind::kSpecial) special.emplace(token.text, token.id);
    }
    if (definition.alphabet == Alphabet::kCharacters) decoded = decoded_tokens(definition);
  }

  void encode(std::string_view text, std::vector<int32_t>& ids, const Cuts& cuts) const;
  void encode_stretch(std::string_view text, std::vector<int32_t>& ids, EncodeMemory& memory,
                      Stretch place) const;
  const std::string& bytes(int32_t id) const {
    return (decoded.empty() ? definition.tokens : decoded)[static_cast<size_t>(id)];
  }
  void check(const SpecialChoice& choice) const;

  TokenizerDefinition definition;
  std::string json;  // as read; empty where the file was another
  Normalizer normalizer;
  Splitter splitter;
  Bpe bpe;
  Cuts ordinary, all_added;
  std::unordered_map<std::string_view, int32_t> special;
  std::vector<std::string> decoded;  // what tokens stand for, where that is not what they are called
  uint64_t fingerprint;
  mutable MemoryPool pool;
};

void Tokenizer::Parts::encode(std::string_view text, std::vector<int32_t>& ids, const Cuts& cuts) const {
  auto memory = pool.take(splitter);
  auto add = [&](int32_t id) { ids.push_back(id); };
  std::string normal;
  cuts.raw.cut(
      text,
      [&](std::string_view stretch) {
        bool starts = stretch.data() == text.data();
        std::string_view plain = normalizer.apply(stretch, normal);
        cuts.normalized.cut(
            plain,
            [&](std::string_view part) {
              bool first = starts && part.data() == plain.data();
              encode_stretch(part, ids, *memory, first ? Stretch::kFirst : Stretch::kLater);
            },
            add);
      },
      add);
  pool.give_back(std::move(memory));
}

// Normalised text between added tokens.
void Tokenizer::Parts::encode_stretch(std::string_view text, std::vector<int32_t>& ids, EncodeMemory& memory,
                                      Stretch place) const {
  std::string changed;
  if (definition.prefix_space == PrefixSpace::kAdded && !text.starts_with(' ')) {
    changed.append(" ").append(text);
    text = changed;
  }
  if (definition.characters.mark != CharacterSettings::Mark::kNone) {
    changed = marked(text, definition.characters.mark, place);
    text = changed;
  }
  PieceStream pieces(bpe, memory.pieces, text.data() + text.size(), ids);
  splitter.split(text, memory.matchers, [&](std::string_view piece) { pieces.add(piece); });
  pieces.finish();
}

void Tokenizer::Parts::check(const SpecialChoice& choice) const {
  for (const std::string& text : choice.listed) {
    if (special.contains(text)) continue;
    fail_input(
        fmt::format("'{}' is no special token of this tokenizer, which has {}; `sextant tokenizer "
                    "inspect` lists them",
                    text, special.size()));
  }
}

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& path, std::string_view pattern) {
  if (path.extension() == ".tiktoken") {
    if (pattern.empty()) pattern = pattern_of_published(path.filename().string());
    if (pattern.empty()) {
      fail_input(
          fmt::format("{}: a .tiktoken file does not say how text is split: name its pattern, one of {}",
                      path.string(), fmt::join(SplitPattern::names(), ", ")));
    }
    auto definition = read_tiktoken_ranks(read_file(path, kLongestFile), pattern, path.string());
    return Tokenizer(std::make_unique<const Parts>(std::move(definition), "", path.string()));
  }
  if (!pattern.empty()) {
    fail_input(
        fmt::format("{}: the pattern {} is given, but only .tiktoken files need one: a tokenizer.json "
                    "says how text is split",
                    path.string(), pattern));
  }
  std::filesystem::path file = std::filesystem::is_directory(path) ? path / "tokenizer.json" : path;
  return from_json(read_file(file, kLongestFile), file.string());
}

Tokenizer Tokenizer::from_json(std::string_view json, const std::string& origin) {
  return Tokenizer(
      std::make_unique<const Parts>(read_tokenizer_json(json, origin), std::string(json), origin));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3);
  encode(text, ids);
  return ids;
}

void Tokenizer::encode(std::string_view text, std::vector<int32_t>& ids, SpecialText special_text) const {
  parts_->encode(text, ids, special_text == SpecialText::kRecognised ? parts_->all_added : parts_->ordinary);
}

void Tokenizer::encode(std::string_view text, std::vector<int32_t>& ids, const SpecialChoice& allowed,
                       const SpecialChoice& refused) const {
  using Which = SpecialChoice::Which;
  parts_->check(allowed);
  parts_->check(refused);
  auto in = [](const SpecialChoice& choice, const AddedToken& token) {
    bool listed = std::find(choice.listed.begin(), choice.listed.end(), token.text) != choice.listed.end();
    return choice.which == Which::kAll || (choice.which == Which::kListed && listed);
  };
  auto is_refused = [&](const AddedToken& token) {
    if (token.kind == AddedToken::Kind::kOrdinary) return false;
    return in(refused, token) && !(refused.which == Which::kAll && in(allowed, token));
  };
  AddedTokens wrong(parts_->definition.added, is_refused);
  if (auto found = wrong.find(text, 0, 0); !wrong.empty() && found.token != nullptr) {
    fail_input(
        fmt::format("the text holds the special token {} at byte {}, which is refused here: allow it, or "
                    "have the text of special tokens encoded as ordinary text",
                    found.token->text, found.begin));
  }
  Cuts cuts(parts_->definition, parts_->normalizer, [&](const AddedToken& token) {
    return token.kind == AddedToken::Kind::kOrdinary || in(allowed, token);
  });
  parts_->encode(text, ids, cuts);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, Decoded what) const {
  std::string text;
  text.reserve(ids.size() * 4);
  for (size_t at = 0; at < ids.size(); ++at) {
    if (ids[at] < 0 || ids[at] >= vocabulary()) {
      fail_input(fmt::format(
          "the id {} at place {} is not in this tokenizer, whose ids run from 0 to {}; was the text "
          "encoded with another one?",
          ids[at], at, vocabulary() - 1));
    }
    text += parts_->bytes(ids[at]);
  }
  bool marked = what == Decoded::kWhole && parts_->definition.characters.leading_space_is_mark;
  if (marked && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocabulary()) {
    fail_input(fmt::format("there is no token {}: ids run from 0 to {}", id, vocabulary() - 1));
  }
  return parts_->bytes(id);
}

int32_t Tokenizer::vocabulary() const {
  return static_cast<int32_t>(parts_->definition.tokens.size());
}

std::optional<int32_t> Tokenizer::end_of_text() const {
  for (std::string_view name : kEndOfText) {
    if (auto id = special(name)) return id;
  }
  return std::nullopt;
}

std::optional<int32_t> Tokenizer::special(std::string_view text) const {
  auto found = parts_->special.find(text);
  if (found == parts_->special.end()) return std::nullopt;
  return found->second;
}

const std::vector<int32_t>& Tokenizer::opening() const {
  return parts_->definition.opening;
}

std::vector<int32_t> Tokenizer::special_tokens() const {
  std::vector<int32_t> ids;
  for (const auto& [text, id] : parts_->special) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<uint8_t> Tokenizer::missing_bytes() const {
  return parts_->bpe.missing_bytes();
}

uint64_t Tokenizer::fingerprint() const {
  return parts_->fingerprint;
}

std::string Tokenizer::to_json() const {
  return parts_->json.empty() ? write_tokenizer_json(parts_->definition) : parts_->json;
}

}  // namespace sextant::data
