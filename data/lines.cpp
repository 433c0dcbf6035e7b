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
  size_t searched = begin_;
  for (;;) {
    const char* from = buffer_.data();
    const void* found = std::memchr(from + searched, '\n', end_ - searched);
    size_t stop = found != nullptr ? static_cast<const char*>(found) - from + 1 : end_;
    if (stop - begin_ > limit_) {
      fail_input(fmt::format("{}:{}: a line of more than {} bytes; is this the file you meant?",
                             path_.string(), number_ + 1, limit_));
    }
    size_t length = end_ - begin_;
    if (found == nullptr && read_more()) {
      searched = begin_ + length;  // what was there may have moved to the front
      continue;
    }
    line = {buffer_.data() + begin_, stop - begin_};
    begin_ = stop;
    number_ += line.empty() ? 0 : 1;
    return !line.empty();
  }
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
