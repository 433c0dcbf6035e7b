#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "data/byte_source.h"

namespace sextant::data {

// The lines of a file, packed or not, in memory of the longest line. A byte order mark at the front is
// dropped.
class LineReader {
 public:
  // Bytes that may be read (not believed) behind each line: what simdjson wants.
  static constexpr size_t kPaddingBytes = 64;

  // Throws Error(kInput) naming file and line when a line is longer than `limit`.
  LineReader(const std::filesystem::path& path, uint64_t limit);

  // The next line with its newline, which only the last one may lack; valid until the next call. False at the
  // end.
  bool next(std::string_view& line);
  // The number of the last line, from 1.
  int64_t number() const { return number_; }
  uint64_t consumed() const { return source_->consumed(); }

 private:
  std::filesystem::path path_;
  uint64_t limit_;
  std::unique_ptr<ByteSource> source_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // what of the buffer is filled and not yet handed out
  int64_t number_ = 0;

  bool read_more();
};

}  // namespace sextant::data
