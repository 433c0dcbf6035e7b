#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::data {

// Training text in pieces of about a megabyte, so that many threads search one document and memory is
// bounded. A piece owns what begins in its first `own` bytes; behind them stands as much of the document as a
// needle that begins there may reach into: 49 characters and 12 words.
struct TextPiece {
  std::string text;
  size_t own = 0;
  int64_t document = 0;  // of its source, from 0
  int64_t begin = 0;     // of the piece in the document: in bytes of its text, or in tokens of a shard
  std::vector<uint32_t> token_ends;  // of a shard: for each token the byte of `text` behind it

  // Where in the document this byte of the piece stands, in the unit of `begin`.
  int64_t position(size_t byte) const;
};

inline constexpr size_t kPieceBytes = size_t{1} << 20;
// Words and runs of symbols longer than this are cut: needles across such a cut may be missed.
inline constexpr size_t kLongestWord = size_t{1} << 16, kLongestLookAhead = size_t{1} << 20;

// Hands out pieces; what is costly about making them is left to the one who asks.
class PieceSource {
 public:
  using Take = std::function<void(const TextPiece&)>;
  // Makes some pieces and gives each to `take`, in order. May run at the same time as others' work.
  using Work = std::function<void(const Take& take)>;

  virtual ~PieceSource() = default;
  // The next work, nothing at the end. One thread at a time. Throws Error(kInput) for damaged input.
  virtual std::optional<Work> next() = 0;
};

// Where to cut `text`, at `wanted` or soon behind it: before white space, so that a word stands whole, or
// before a character if there is none in kLongestWord bytes. text.size() where that comes first.
size_t cut_behind(std::string_view text, size_t wanted);

// Bytes behind `cut` that a piece which ends there looks into; npos: more than the text has.
size_t look_ahead(std::string_view text, size_t cut);

// Whether a token's (a text's) first byte may follow a cut: white space, and any but a character's later
// bytes.
bool begins_with_space(std::string_view text);
bool begins_a_character(std::string_view text);

// The pieces of a document that is there as a whole.
std::vector<TextPiece> pieces_of(std::string_view text, int64_t document);

}  // namespace sextant::data
