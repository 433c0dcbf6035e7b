#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sextant::data {

// How often each distinct piece occurs. Owns the pieces' bytes in large blocks.
class PieceCounts {
 public:
  void add(std::string_view piece, int64_t count = 1);
  void add(const PieceCounts& other);

  const std::unordered_map<std::string_view, int64_t>& counts() const { return counts_; }
  // Bytes over the distinct pieces.
  uint64_t distinct_bytes() const { return distinct_bytes_; }
  // Pieces, repeats included.
  int64_t occurrences() const { return occurrences_; }

 private:
  std::string_view keep(std::string_view piece);

  std::unordered_map<std::string_view, int64_t> counts_;
  std::deque<std::string> blocks_;
  uint64_t distinct_bytes_ = 0;
  int64_t occurrences_ = 0;
};

// Where to cut a long text so that both sides split into the same pieces as the whole would, under the named
// patterns: after about `wanted` bytes, between a lone newline and an ASCII letter; text.size() when
// there is no such place. Depends on the text alone, so that counts do not depend on the number of threads.
size_t safe_cut(std::string_view text, size_t wanted);

}  // namespace sextant::data
