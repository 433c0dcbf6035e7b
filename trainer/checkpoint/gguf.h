#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "trainer/checkpoint/gguf_blocks.h"

namespace sextant::trainer {

// The GGUF container of llama.cpp, versions 2 and 3, little-endian: metadata, tensor descriptions, aligned
// tensor bytes. Everything here points into the file's bytes, which must outlive it.

// The types of metadata, by their numbers in the file.
enum class GgufValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kText = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// A list as it stands in the file; of texts, each with its length before it.
struct GgufArray {
  GgufValueType type = GgufValueType::kU8;
  uint64_t count = 0;
  std::span<const uint8_t> bytes;
};

// Whole numbers of 32 bits and fewer are i64.
using GgufValue = std::variant<int64_t, uint64_t, float, double, bool, std::string_view, GgufArray>;

struct GgufTensor {
  std::string_view name;
  std::vector<int64_t> shape;  // row-major: the file's order reversed
  GgufTensorType type = GgufTensorType::kF32;
  std::span<const uint8_t> bytes;
};

class GgufFile {
 public:
  // Throws Error(kInput) naming `origin`, the byte and the reason when anything does not lie inside the file,
  // stands there twice, or is of a kind that is not known. Memory stays within a small multiple of the file.
  GgufFile(std::span<const uint8_t> file, std::string origin);

  const std::string& origin() const { return origin_; }
  uint32_t version() const { return version_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  // Null when there is no such key.
  const GgufValue* find(std::string_view key) const;
  // Throw Error(kInput) when the key is absent or its value is of another kind or out of range.
  int64_t integer(const std::string& key, int64_t minimum, int64_t maximum) const;
  double positive(
      const std::string& key) const;  // fp32 values come as the shortest decimal that they round to
  std::string_view text(const std::string& key) const;
  std::vector<std::string_view> texts(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;
  bool flag_or(const std::string& key, bool otherwise) const;
  std::optional<int64_t> integer_if_given(const std::string& key, int64_t minimum, int64_t maximum) const;

  [[noreturn]] void fail(const std::string& key, const std::string& why) const;

 private:
  struct Entry {
    std::string_view key;
    GgufValue value;
  };

  const GgufValue& at(const std::string& key) const;

  std::string origin_;
  uint32_t version_ = 0;
  std::vector<Entry> entries_;  // sorted by key
  std::vector<GgufTensor> tensors_;
};

}  // namespace sextant::trainer
