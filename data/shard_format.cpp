#include "data/shard_format.h"

#include <fmt/format.h>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

std::filesystem::path with_suffix(const std::filesystem::path& prefix, const char* suffix) {
  std::filesystem::path path = prefix;
  path += suffix;
  return path;
}

}  // namespace

int64_t width_of(TokenType type) {
  switch (type) {
    case TokenType::kU8:
    case TokenType::kI8:
      return 1;
    case TokenType::kI16:
    case TokenType::kU16:
      return 2;
    case TokenType::kI32:
      return 4;
    case TokenType::kI64:
      return 8;
  }
  expect(false, "a token type is one of the enum's");
  return 0;
}

const char* name_of(TokenType type) {
  switch (type) {
    case TokenType::kU8:
      return "u8";
    case TokenType::kI8:
      return "i8";
    case TokenType::kI16:
      return "i16";
    case TokenType::kU16:
      return "u16";
    case TokenType::kI32:
      return "i32";
    case TokenType::kI64:
      return "i64";
  }
  expect(false, "a token type is one of the enum's");
  return "";
}

TokenType token_type_for(int64_t vocabulary) {
  return vocabulary < 65500 ? TokenType::kU16 : TokenType::kI32;
}

ShardPaths::ShardPaths(const std::filesystem::path& prefix)
    : bin(with_suffix(prefix, ".bin")),
      idx(with_suffix(prefix, ".idx")),
      sums(with_suffix(prefix, ".sums")) {}

void fail_shard(const std::filesystem::path& file, int64_t offset, const std::string& what) {
  fail_input(
      fmt::format("{}: byte {}: {}; build it again with `sextant data build`", file.string(), offset, what));
}

}  // namespace sextant::data
