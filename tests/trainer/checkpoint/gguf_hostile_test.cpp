// Damaged and hostile GGUF files: an Error that says where, never more.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "parallel/base/seed.h"
#include "tests/harness/checkout.h"
#include "trainer/checkpoint/gguf.h"
#include "trainer/checkpoint/gguf_model.h"
#include "trainer/checkpoint/gguf_tokenizer.h"

namespace sextant::trainer::gguf_hostile_test {
namespace {

std::string whole_file() {
  return data::read_file(harness::checkout() / "tests/golden/gguf/llama.gguf");
}

// Everything that import does with the headers.
std::string refused(const std::string& bytes) {
  try {
    GgufFile file({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "x.gguf");
    gguf_correspondences(file, gguf_settings(file));
    gguf_tokenizer_json(file);
    gguf_tokenizer_files(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  return "not refused";
}

template <class Number>
std::string with(std::string bytes, size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
  return bytes;
}

void expect_says(const std::string& bytes, const std::string& part) {
  std::string said = refused(bytes);
  EXPECT_NE(said.find(part), std::string::npos) << said;
}

TEST(HostileGguf, HeadersAreNotBelieved) {
  std::string file = whole_file();
  EXPECT_EQ(refused(file), "not refused");
  EXPECT_EQ(refused(with(file, 4, uint32_t{2})), "not refused") << "version 2 is read the same way";
  expect_says("", "x.gguf: at byte 0: 4 bytes are announced, but 0 are left");
  expect_says("GGML" + file.substr(4), "does not begin with the letters GGUF");
  expect_says(with(file, 4, uint32_t{1}), "version 1 is not read; 2 and 3 are");
  expect_says(with(file, 8, uint64_t{1} << 40), "1099511627776 tensors do not fit");
  expect_says(with(file, 8, ~uint64_t{0}), "tensors do not fit");
  expect_says(with(file, 16, uint64_t{1} << 62), "entries of metadata do not fit");
  expect_says(with(file, 24, uint64_t{1} << 63), "bytes are announced, but");
}

TEST(HostileGguf, ValuesAreChecked) {
  std::string file = whole_file();
  size_t list = file.find("tokenizer.ggml.tokens") + 21;  // u32 type, u32 type of entries, u64 count
  expect_says(with(file, list + 4, uint32_t{9}), "lists of lists are not supported");
  expect_says(with(file, list + 8, uint64_t{1} << 60), "entries of a list do not fit");
  expect_says(with(file, list, uint32_t{77}), "unknown type of value 77");
  size_t heads = file.find("llama.attention.head_count") + 26;
  expect_says(with(file, heads + 4, uint32_t{0}), "llama.attention.head_count: 0 is not between 1 and 65536");
  expect_says(with(file, heads + 4, uint32_t{3}), "8 of a head's 10 channels are turned");
  size_t key_heads = file.find("llama.attention.head_count_kv") + 29;
  expect_says(with(file, key_heads + 4, uint32_t{3}), "heads do not divide");
  size_t layers = file.find("llama.block_count") + 17;
  expect_says(with(file, layers + 4, uint32_t{9999}), "9999 layers, but the file holds");
  std::string other = file;
  other.replace(other.find("general.architecture") + 20 + 12, 5, "mamba");
  expect_says(other, "'mamba' is not supported; gpt2, llama, qwen2 and qwen3 are");
  std::string pre = file;
  pre.replace(pre.find("smollm"), 6, "smollx");
  expect_says(pre, "tokenizer.ggml.pre: 'smollx' is not known");
}

TEST(HostileGguf, TensorsLieInsideTheFile) {
  std::string file = whole_file();
  size_t dims = file.find("token_embd.weight") + 17;  // u32 dims, u64 each, u32 type, u64 offset
  expect_says(with(file, dims, uint32_t{5}), "'token_embd.weight' has 5 dims");
  expect_says(with(file, dims, uint32_t{0}), "has 0 dims");
  expect_says(with(file, dims + 4, uint64_t{1} << 61), "comes in blocks of 32");
  expect_says(with(file, dims + 4, uint64_t{33}), "comes in blocks of 32");
  expect_says(with(file, dims + 12, uint64_t{1} << 40), "in a file of");
  expect_says(with(file, dims + 20, uint32_t{16}), "is of type 16, which is not read");
  expect_says(with(file, dims + 24, uint64_t{1} << 50), "does not lie, aligned, inside");
  expect_says(with(file, dims + 24, uint64_t{1}), "does not lie, aligned, inside");
  expect_says(file.substr(0, file.size() - 40), "is it whole?");
}

// Every prefix of the headers, and seeded damage: an Error or a reading, nothing else.
TEST(HostileGguf, CutAndDamagedFilesEndInErrors) {
  std::string file = whole_file();
  size_t headers = file.find("output_norm.weight") + 18 + 24;
  for (size_t length = 0; length < headers; length += length < 200 ? 1 : 37) {
    EXPECT_NE(refused(file.substr(0, length)), "not refused") << length;
  }
  RandomKey key(1, "damage");
  for (uint64_t round = 0; round < 300; ++round) {
    std::string damaged = file;
    for (uint64_t i = 0; i < 4; ++i) {
      auto at = static_cast<size_t>(key.uniform(round, 2 * i) * static_cast<double>(headers));
      damaged[at] = static_cast<char>(key.uniform(round, 2 * i + 1) * 256);
    }
    refused(damaged);
  }
}

}  // namespace
}  // namespace sextant::trainer::gguf_hostile_test
