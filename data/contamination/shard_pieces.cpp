#include "data/contamination/shard_pieces.h"

#include <algorithm>

#include "data/token_shard.h"

namespace sextant::data {
namespace {

constexpr int64_t kPieceTokens = int64_t{1} << 18;
constexpr int64_t kLongestWordTokens = int64_t{1} << 14, kLookAheadTokens = 256;

class ShardPieces final : public PieceSource {
 public:
  ShardPieces(const std::filesystem::path& prefix, const Tokenizer& tokenizer)
      : shard_(prefix), tokenizer_(tokenizer), special_(static_cast<size_t>(tokenizer.vocabulary())) {
    for (int32_t id : tokenizer.special_tokens()) special_[static_cast<size_t>(id)] = true;
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
  std::vector<bool> special_;
  int64_t at_ = 0;  // what comes next, in the shard's stream of tokens

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

  void append(int64_t begin, int64_t end, TextPiece& piece) const {
    for (int64_t id : read(begin, end)) {
      if (special_[static_cast<size_t>(id)]) {
        piece.text += '\n';
      } else {
        piece.text += tokenizer_.token_bytes(static_cast<int32_t>(id));
      }
      piece.token_ends.push_back(static_cast<uint32_t>(piece.text.size()));
    }
  }

  void decode(int64_t begin, int64_t end, const Take& take) const {
    while (begin < end) {
      int64_t document = shard_.document_at(begin), behind = shard_.document_begin(document + 1);
      int64_t own = std::min(end, behind);
      TextPiece piece;
      piece.document = document;
      piece.begin = begin - shard_.document_begin(document);
      append(begin, own, piece);
      piece.own = piece.text.size();
      int64_t more = kLookAheadTokens;
      for (int64_t at = own; at < behind && piece.text.size() < piece.own + kLongestLookAhead; more *= 2) {
        int64_t next = std::min(behind, at + more);
        append(at, next, piece);
        if (look_ahead(piece.text, piece.own) != std::string_view::npos) break;
        at = next;
      }
      take(piece);
      begin = own;
    }
  }
};

}  // namespace

std::unique_ptr<PieceSource> open_shard_pieces(const std::filesystem::path& prefix,
                                               const Tokenizer& tokenizer) {
  return std::make_unique<ShardPieces>(prefix, tokenizer);
}

}  // namespace sextant::data
