#include "trainer/checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/trainer/checkpoint/state.h"

namespace sextant::trainer::testing::safetensors_test {
namespace {

using namespace std::string_literals;

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A file of that header, unpadded, and so many bytes of tensors.
std::string file_of(const std::string& header, size_t tensor_bytes) {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(tensor_bytes, '\0');
}

TEST(Safetensors, ReadsWhatTheReferenceImplementationWrites) {
  // safetensors.numpy.save of Python's safetensors: "a" int64 [7, -1], "b" fp32 [[1, 2], [3, 4]], "h" fp16
  // [0.5].
  std::string text =
      R"({"__metadata__":{"made":"by python"},"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"F32","shape":[2,2],"data_offsets":[16,32]},)"
      R"("h":{"dtype":"F16","shape":[1],"data_offsets":[32,34]}}     )";
  ASSERT_EQ(text.size(), 0xd0U);
  std::string file("\xd0\0\0\0\0\0\0\0", 8);
  file += text;
  file += "\x07\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"s;
  file += "\0\0\x80\x3f\0\0\x00\x40\0\0\x40\x40\0\0\x80\x40\x00\x38"s;
  SafetensorsHeader header = parse_safetensors(bytes_of(file), "golden");
  EXPECT_EQ(header.metadata, (std::map<std::string, std::string>{{"made", "by python"}}));
  ASSERT_EQ(header.entries.size(), 3U);
  EXPECT_EQ(header.entries[0].key, "a");
  EXPECT_EQ(header.entries[0].type, at::kLong);
  EXPECT_EQ(header.entries[1].key, "b");
  EXPECT_EQ(header.entries[1].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(header.entries[2].type, at::kHalf);
  EXPECT_EQ(header.bytes, header.entries[0].begin);
  const auto& b = header.entries[1];
  EXPECT_EQ(b.bytes, 16U);
  float values[4];
  std::memcpy(values, file.data() + b.begin, 16);
  EXPECT_EQ(values[3], 4.0F);
}

TEST(Safetensors, WritesTheFormatExactly) {
  std::vector<SafetensorsEntry> entries{
      {"h", at::kHalf, {1}}, {"b", at::kFloat, {2, 2}}, {"a", at::kLong, {2}}, {"s", at::kFloat, {}}};
  std::string header = lay_out_safetensors(entries, {{"made", "by sextant"}});
  uint64_t length = 0;
  std::memcpy(&length, header.data(), 8);
  EXPECT_EQ(length, header.size() - 8);
  EXPECT_EQ(header.size() % 8, 0U);
  std::string expected =
      R"({"__metadata__":{"made":"by sextant"},"a":{"data_offsets":[0,16],"dtype":"I64","shape":[2]},)"
      R"("b":{"data_offsets":[16,32],"dtype":"F32","shape":[2,2]},)"
      R"("h":{"data_offsets":[36,38],"dtype":"F16","shape":[1]},)"
      R"("s":{"data_offsets":[32,36],"dtype":"F32","shape":[]}})";
  EXPECT_EQ(header.substr(8, header.find_last_not_of(' ') - 7), expected);
  EXPECT_EQ(entries[0].key + entries[1].key + entries[2].key + entries[3].key, "absh")
      << "widest numbers first";
  SafetensorsHeader read = parse_safetensors(bytes_of(header + std::string(38, '\0')), "written");
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(read.entries[i].key, entries[i].key);
    EXPECT_EQ(read.entries[i].begin, entries[i].begin);
    EXPECT_EQ(read.entries[i].shape, entries[i].shape);
  }
}

TEST(Safetensors, EmptyFilesAndTensorsAreAllowed) {
  EXPECT_TRUE(parse_safetensors(bytes_of(file_of("{}", 0)), "x").entries.empty());
  SafetensorsHeader header =
      parse_safetensors(bytes_of(file_of(R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                         R"("a":{"dtype":"F32","shape":[0,3],"data_offsets":[8,8]},)"
                                         R"("c":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                                         8)),
                        "x");
  EXPECT_EQ(header.entries.size(), 3U);
}

TEST(Safetensors, BadFilesAreRefusedByName) {
  const std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  struct Bad {
    std::string file, fault;
  };
  std::vector<Bad> cases{
      {"", "only 0 bytes long"},
      {"\x01\x02\x03", "only 3 bytes long"},
      {"\xff\xff\xff\xff\xff\xff\xff\xff{}", "does not fit a file of 10"},
      {file_of("{}", 0).substr(0, 9), "does not fit a file of 9"},
      {file_of("", 0), "is no JSON"},
      {file_of("[]", 0), "is no JSON object"},
      {file_of("7", 0), "is no JSON object"},
      {file_of(R"({"a":)" + good, 8), "is no JSON at byte"},
      {file_of(R"({"a":)" + good + "} x", 8), "is no JSON at byte"},
      {file_of(R"({"a":)" + good + R"(,"a":)" + good + "}", 8), "names 'a' twice"},
      {file_of(R"({"a":)" + good + "}", 9), "end at byte 70 but the file has 71"},
      {file_of(R"({"a":)" + good + "}", 7), "end at byte 70 but the file has 69"},
      {file_of(R"({"a":)" + good + R"(,"b":)" + good + "}", 8), "'b' begins at byte"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12), "'a' begins at byte"},
      {file_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8), "of shape [3] and type F32"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8), "the bytes 8 to 0"},
      {file_of(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8), "unknown type 'F31'"},
      {file_of(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8), "lacks dtype"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8), "lacks dtype"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})", 8), "does not belong there"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})", 8),
       "does not belong there"},
      {file_of(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8), "does not belong there"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8), "does not belong there"},
      {file_of(R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8), "does not belong there"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"code":"x"}})", 8),
       "does not belong there"},
      {file_of(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296,1],"data_offsets":[0,0]}})", 0),
       "of shape"},
      {file_of(R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1),
       "does not belong there"},
      {file_of(R"({"__metadata__":{"a":1}})", 0), "does not belong there"},
      {file_of(R"({"__metadata__":{"a":"1","a":"2"}})", 0), "names metadata twice"},
      {file_of(R"({"a":"b"})", 0), "does not belong there"},
      {file_of(std::string(1 << 20, '['), 0), "is no JSON object"},
  };
  for (const Bad& bad : cases) {
    expect_error(ErrorKind::kInput, {"some/file: ", bad.fault},
                 [&] { parse_safetensors(bytes_of(bad.file), "some/file"); });
  }
}

TEST(Safetensors, RandomChangesCrashNothing) {
  std::vector<SafetensorsEntry> entries{{"b", at::kFloat, {2, 2}}, {"a", at::kLong, {2}}};
  std::string file = lay_out_safetensors(entries, {{"made", "by sextant"}}) + std::string(32, '\1');
  std::mt19937 generator(3);
  for (int i = 0; i < 20000; ++i) {
    std::string changed = file;
    for (uint32_t n = generator() % 4 + 1; n > 0; --n) {
      changed[generator() % changed.size()] = static_cast<char>(generator());
    }
    try {
      SafetensorsHeader header = parse_safetensors(bytes_of(changed), "x");
      for (const SafetensorsEntry& entry : header.entries) {
        ASSERT_LE(entry.begin + entry.bytes, changed.size());
      }
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::testing::safetensors_test
