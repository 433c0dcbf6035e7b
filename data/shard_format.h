#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace sextant::data {

// What the bytes of a token shard mean: PREFIX.bin and PREFIX.idx as Megatron writes them, and PREFIX.sums,
// which is ours and may be absent. docs/shard_format.md says it in full. All numbers are little endian and
// unaligned: copied out, never cast.

// How an id lies in the .bin file; the values are the .idx file's codes.
enum class TokenType : uint8_t { kU8 = 1, kI8 = 2, kI16 = 3, kI32 = 4, kI64 = 5, kU16 = 8 };

// Bytes of one id.
int64_t width_of(TokenType type);
// "u16", "i32" ...
const char* name_of(TokenType type);
// What Megatron's tools choose: u16 below 65,500 ids, else i32.
TokenType token_type_for(int64_t vocabulary);

inline constexpr char kIndexMagic[] = "MMIDIDX\0";  // 9 bytes with the closing zero
inline constexpr int64_t kIndexMagicBytes = 9;
inline constexpr uint64_t kIndexVersion = 1;
inline constexpr int64_t kIndexHeaderBytes = 34;  // magic, u64 version, u8 type, u64 sequences, u64 entries

// The files of a shard. The prefix is taken as it is: dots in it are part of the name.
struct ShardPaths {
  explicit ShardPaths(const std::filesystem::path& prefix);

  std::filesystem::path bin, idx, sums;
};

// Throws Error(kInput): "FILE: byte OFFSET: WHAT; build it again with `sextant data build`".
[[noreturn]] void fail_shard(const std::filesystem::path& file, int64_t offset, const std::string& what);

}  // namespace sextant::data
