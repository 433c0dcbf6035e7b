#include "data/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <mutex>
#include <unordered_map>

#include "data/durable_file.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe.h"
#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/piece_cache.h"
#include "data/tokenizer/splitter.h"
#include "parallel/base/error.h"
#include "parallel/base/seed.h"

namespace sextant::data {
namespace {

constexpr uint64_t kLongestFile = uint64_t{1} << 30;

// What one call of encode works with; kept for the next call, so that a cache stays warm over documents.
struct EncodeMemory {
  Splitter::Matchers matchers;
  PieceCache cache;
  Bpe::Workspace work;
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
    return std::make_unique<EncodeMemory>(EncodeMemory{splitter.matchers(), PieceCache(), Bpe::Workspace()});
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
  return stable_hash(all);
}

}  // namespace

struct Tokenizer::Parts {
  Parts(TokenizerDefinition read, std::string_view text, const std::string& origin)
      : definition(std::move(read)),
        json(text),
        splitter(definition.expressions, fmt::format("{}: pre_tokenizer", origin)),
        bpe(definition),
        ordinary(definition.added, [](const AddedToken& t) { return t.kind == AddedToken::Kind::kOrdinary; }),
        all_added(definition.added, [](const AddedToken&) { return true; }),
        fingerprint(fingerprint_of(definition)) {
    for (const AddedToken& token : definition.added) {
      if (token.kind == AddedToken::Kind::kSpecial) special.emplace(token.text, token.id);
    }
  }

  void encode_stretch(std::string_view text, std::vector<int32_t>& ids, EncodeMemory& memory) const;
  void encode_piece(std::string_view piece, std::vector<int32_t>& ids, EncodeMemory& memory) const;

  TokenizerDefinition definition;
  std::string json;
  Splitter splitter;
  Bpe bpe;
  AddedTokens ordinary, all_added;
  std::unordered_map<std::string_view, int32_t> special;
  uint64_t fingerprint;
  mutable MemoryPool pool;
};

// Text between added tokens.
void Tokenizer::Parts::encode_stretch(std::string_view text, std::vector<int32_t>& ids,
                                      EncodeMemory& memory) const {
  std::string prefixed;
  if (definition.prefix_space == PrefixSpace::kAdded && !text.starts_with(' ')) {
    prefixed.append(" ").append(text);
    text = prefixed;
  }
  splitter.split(text, memory.matchers, [&](std::string_view piece) { encode_piece(piece, ids, memory); });
}

void Tokenizer::Parts::encode_piece(std::string_view piece, std::vector<int32_t>& ids,
                                    EncodeMemory& memory) const {
  if (piece.size() > PieceCache::kLongestPiece) return bpe.encode(piece, ids, memory.work);
  PieceCache::Key key(piece);
  if (auto known = memory.cache.find(key); !known.empty()) {
    ids.insert(ids.end(), known.begin(), known.end());
    return;
  }
  size_t before = ids.size();
  bpe.encode(piece, ids, memory.work);
  memory.cache.keep(key, std::span(ids).subspan(before));
}

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& path) {
  return from_json(read_file(path, kLongestFile), path.string());
}

Tokenizer Tokenizer::from_json(std::string_view json, const std::string& origin) {
  return Tokenizer(std::make_unique<const Parts>(read_tokenizer_json(json, origin), json, origin));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3);
  encode(text, ids);
  return ids;
}

void Tokenizer::encode(std::string_view text, std::vector<int32_t>& ids, SpecialText special_text) const {
  auto memory = parts_->pool.take(parts_->splitter);
  const AddedTokens& cut_out =
      special_text == SpecialText::kRecognised ? parts_->all_added : parts_->ordinary;
  cut_out.cut(
      text, [&](std::string_view stretch) { parts_->encode_stretch(stretch, ids, *memory); },
      [&](int32_t id) { ids.push_back(id); });
  parts_->pool.give_back(std::move(memory));
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  text.reserve(ids.size() * 4);
  for (size_t at = 0; at < ids.size(); ++at) {
    if (ids[at] < 0 || ids[at] >= vocabulary()) {
      fail_input(fmt::format(
          "the id {} at place {} is not in this tokenizer, whose ids run from 0 to {}; was the text "
          "encoded with another one?",
          ids[at], at, vocabulary() - 1));
    }
    text += parts_->definition.tokens[static_cast<size_t>(ids[at])];
  }
  return text;
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocabulary()) {
    fail_input(fmt::format("there is no token {}: ids run from 0 to {}", id, vocabulary() - 1));
  }
  return parts_->definition.tokens[static_cast<size_t>(id)];
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

std::vector<uint8_t> Tokenizer::missing_bytes() const {
  return parts_->bpe.missing_bytes();
}

uint64_t Tokenizer::fingerprint() const {
  return parts_->fingerprint;
}

std::string Tokenizer::to_json() const {
  return parts_->json;
}

}  // namespace sextant::data
