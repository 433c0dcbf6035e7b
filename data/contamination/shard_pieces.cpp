#include "data/contamination/shard_pieces.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "data/token_shard.h"

namespace sextant::data {
namespace {

constexpr int64_t kPieceTokens = int64_t{1} << 18;
constexpr int64_t kLongestWordTokens = int64_t{1} << 14, kLookAheadTokens = 256;

// What a token stands for. Nearly all are short: these are copied as kShort bytes, of which the next ones
// overwrite what is too much.
struct TokenText {
  static constexpr size_t kShort = 16;

  explicit TokenText(std::string_view text) : whole(text) {
    std::copy_n(text.begin(), std::min(text.size(), kShort), beginning.begin());
  }
  // Writes it, and up to kShort bytes in all. Returns its length.
  size_t write(char* into) const {
    if (whole.size() <= kShort) {
      std::memcpy(into, beginning.data(), kShort);
    } else {
      std::memcpy(into, whole.data(), whole.size());
    }
    return whole.size();
  }

  std::string_view whole;
  std::array<char, kShort> beginning{};
};

class ShardPieces final : public PieceSource {
 public:
  ShardPieces(const std::filesystem::path& prefix, const Tokenizer& tokenizer)
      : shard_(prefix), tokenizer_(tokenizer) {
    for (int32_t id = 0; id < tokenizer.vocabulary(); ++id) texts_.emplace_back(tokenizer.token_bytes(id));
    for (int32_t id : tokenizer.special_tokens()) texts_[static_cast<size_t>(id)] = TokenText("\n");
  }

  std::optional<Work> next() override {
    if (at_ == shard_.tokens()) return std::nullopt;
    int64_t begin = at_;
    at_ = end_of_piece(begin);
    return [this, begin, end = at_](const Take& take) { decode(begin, end, take); };
  }

 private:
  TokenShard shard_;
  const Tokenizer& tokenizer_;
  std::vector<TokenText> texts_;  // of each id
  int64_t at_ = 0;                // what comes next, in the shard's stream of tokens

  // Pieces end where documents do, or within a long one where text may be cut.
  int64_t end_of_piece(int64_t begin) const {
    int64_t wanted = begin + kPieceTokens;
    if (wanted >= shard_.tokens()) return shard_.tokens();
    int64_t document = shard_.document_at(wanted);
    if (int64_t start = shard_.document_begin(document); start > begin) return start;
    int64_t last = std::min(wanted + kLongestWordTokens, shard_.document_begin(document + 1));
    std::vector<int64_t> ids = read(wanted, last);
    for (bool (*fits)(std::string_view) : {begins_with_space, begins_a_character}) {
      for (size_t i = 0; i < ids.size(); ++i) {
        if (fits(tokenizer_.token_bytes(static_cast<int32_t>(ids[i]))))
          return wanted + static_cast<int64_t>(i);
      }
    }
    return wanted;
  }

  std::vector<int64_t> read(int64_t begin, int64_t end) const {
    std::vector<int64_t> ids(static_cast<size_t>(end - begin));
    shard_.read(begin, ids);
    shard_.check_vocabulary(begin, ids, tokenizer_.vocabulary());
    return ids;
  }

  void append(std::span<const int64_t> ids, TextPiece& piece) const {
    size_t length = piece.text.size(), tokens = piece.token_ends.size(), more = 0;
    for (int64_t id : ids) more += texts_[static_cast<size_t>(id)].whole.size();
    piece.text.resize(length + more + TokenText::kShort);
    piece.token_ends.resize(tokens + ids.size());
    char* out = piece.text.data();
    for (int64_t id : ids) {
      length += texts_[static_cast<size_t>(id)].write(out + length);
      piece.token_ends[tokens++] = static_cast<uint32_t>(length);
    }
    piece.text.resize(length);
  }

  void decode(int64_t begin, int64_t end, const Take& take) const {
    const std::vector<int64_t> ids = read(begin, end);
    TextPiece piece;  // its memory serves all
    int64_t document = shard_.document_at(begin);
    for (int64_t at = begin; at < end; ++document) {
      int64_t behind = shard_.document_begin(document + 1);
      int64_t own = std::min(end, behind);
      if (own <= at) continue;  // an empty document
      piece.text.clear();
      piece.token_ends.clear();
      piece.document = document;
      piece.begin = at - shard_.document_begin(document);
      append(std::span(ids).subspan(static_cast<size_t>(at - begin), static_cast<size_t>(own - at)), piece);
      piece.own = piece.text.size();
      look_behind(own, behind, piece);
      take(piece);
      at = own;
    }
  }

  // Adds as much of [at, behind) as a needle of the piece may reach into.
  void look_behind(int64_t at, int64_t behind, TextPiece& piece) const {
    int64_t more = kLookAheadTokens;
    for (; at < behind && piece.text.size() < piece.own + kLongestLookAhead; more *= 2) {
      int64_t next = std::min(behind, at + more);
      append(read(at, next), piece);
      if (look_ahead(piece.text, piece.own) != std::string_view::npos) return;
      at = next;
    }
  }
};

}  // namespace

std::unique_ptr<PieceSource> open_shard_pieces(const std::filesystem::path& prefix,
                                               const Tokenizer& tokenizer) {
  return std::make_unique<ShardPieces>(prefix, tokenizer);
}

}  // namespace sextant::data
