#include "data/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

LineReader::LineReader(const std::filesystem::path& path, uint64_t limit)
    : path_(path), limit_(limit), source_(ByteSource::open(path)), buffer_(kChunkBytes + kPaddingBytes) {
  while (end_ < kByteOrderMark.size() && read_more()) {
  }
  if (std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
}

bool LineReader::next(std::string_view& line) {
  const void* newline = nullptr;
  for (size_t searched = 0;;) {
    // Looked at from begin_ in each round: reading more moves what is there to the front.
    newline = std::memchr(buffer_.data() + begin_ + searched, '\n', end_ - begin_ - searched);
    searched = end_ - begin_;
    if (newline != nullptr || searched > limit_ || !read_more()) break;
  }
  const char* from = buffer_.data() + begin_;
  size_t length =
      newline != nullptr ? static_cast<size_t>(static_cast<const char*>(newline) - from) + 1 : end_ - begin_;
  if (length > limit_) {
    fail_input(fmt::format("{}:{}: a line of more than {} bytes; is this the file you meant?", path_.string(),
                           number_ + 1, limit_));
  }
  line = {from, length};
  begin_ += length;
  number_ += length > 0 ? 1 : 0;
  return length > 0;
}

bool LineReader::read_more() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ + kPaddingBytes == buffer_.size()) buffer_.resize(2 * end_ + kPaddingBytes);
  size_t count = source_->read(buffer_.data() + end_, buffer_.size() - kPaddingBytes - end_);
  end_ += count;
  return count > 0;
}

}  // namespace sextant::data
