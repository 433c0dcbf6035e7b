#include "data/token_shard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "data/token_shard_writer.h"
#include "tests/data/scratch_folder.h"
#include "tests/data/shard_bytes.h"

namespace sextant::data::token_shard_test {
namespace {

std::vector<int64_t> all_ids(const TokenShard& shard) {
  std::vector<int64_t> ids(static_cast<size_t>(shard.tokens()));
  shard.read(0, ids);
  return ids;
}

// Three documents: 5 ids, none, 2 ids.
std::filesystem::path write_three(const ScratchFolder& folder, TokenType type = TokenType::kU16) {
  TokenShardWriter writer(folder / "corpus", type);
  writer.add_document(std::vector<int32_t>{7, 0, 65535, 3, 1});
  writer.add_document({});
  writer.add_document(std::vector<int32_t>{2, 9});
  writer.publish();
  return folder / "corpus";
}

TEST(TokenShard, WritesTheBytesOfTheFormat) {
  ScratchFolder folder;
  write_three(folder);
  IndexBytes index;
  index.lengths = {5, 0, 2};
  index.pointers = {0, 10, 10};
  index.documents = {0, 1, 2, 3};
  EXPECT_EQ(ScratchFolder::read(folder / "corpus.idx"), index.to_bytes());
  EXPECT_EQ(ScratchFolder::read(folder / "corpus.bin"), bin_bytes({7, 0, 65535, 3, 1, 2, 9}, 2));
  EXPECT_EQ(folder.files(), 3u);  // and the sums; nothing partial is left
}

TEST(TokenShard, WritesWideIds) {
  ScratchFolder folder;
  TokenShardWriter writer(folder / "wide", TokenType::kI32);
  writer.add_document(std::vector<int32_t>{100000, 2147483647});
  writer.publish();
  EXPECT_EQ(ScratchFolder::read(folder / "wide.bin"), bin_bytes({100000, 2147483647}, 4));
  EXPECT_EQ(ScratchFolder::read(folder / "wide.idx")[17], 4);
  EXPECT_EQ(all_ids(TokenShard(folder / "wide")), (std::vector<int64_t>{100000, 2147483647}));
}

TEST(TokenShard, ChoosesTheTypeAsMegatronDoes) {
  EXPECT_EQ(token_type_for(65499), TokenType::kU16);
  EXPECT_EQ(token_type_for(65500), TokenType::kI32);
}

TEST(TokenShard, RefusesIdsThatDoNotFit) {
  ScratchFolder folder;
  TokenShardWriter writer(folder / "corpus", TokenType::kU16);
  EXPECT_THROW(writer.add_document(std::vector<int32_t>{65536}), std::logic_error);
  EXPECT_THROW(writer.add_document(std::vector<int32_t>{-1}), std::logic_error);
}

TEST(TokenShard, ReadsBackWhatItWrote) {
  ScratchFolder folder;
  TokenShard shard(write_three(folder));
  EXPECT_EQ(shard.documents(), 3);
  EXPECT_EQ(shard.tokens(), 7);
  EXPECT_EQ(shard.highest_id(), 65535);
  EXPECT_EQ(all_ids(shard), (std::vector<int64_t>{7, 0, 65535, 3, 1, 2, 9}));
  std::vector<int64_t> begins;
  for (int64_t d = 0; d <= 3; ++d) begins.push_back(shard.document_begin(d));
  EXPECT_EQ(begins, (std::vector<int64_t>{0, 5, 5, 7}));
  for (int64_t position = 0; position < 5; ++position) EXPECT_EQ(shard.document_at(position), 0);
  EXPECT_EQ(shard.document_at(5), 2);  // the empty one holds no position
  EXPECT_EQ(shard.document_at(6), 2);
  std::vector<int64_t> window(3);
  shard.read(4, window);
  EXPECT_EQ(window, (std::vector<int64_t>{1, 2, 9}));
  EXPECT_THROW(shard.read(5, window), std::logic_error);
}

// Many blocks, with a document that spans several.
TEST(TokenShard, ReadsBackManyBlocks) {
  ScratchFolder folder;
  TokenShardWriter writer(folder / "corpus", TokenType::kI32);
  std::vector<int64_t> expected;
  for (int document = 0; document < 40; ++document) {
    std::vector<int32_t> ids(static_cast<size_t>(document * 311 + (document == 20 ? 50000 : 0)));
    std::iota(ids.begin(), ids.end(), document * 1000);
    writer.add_document(ids);
    expected.insert(expected.end(), ids.begin(), ids.end());
  }
  writer.publish();
  TokenShard shard(folder / "corpus");
  shard.verify();
  EXPECT_EQ(all_ids(shard), expected);
}

struct TypeCase {
  int code, width;
  int64_t low, high;
};

class EveryType : public testing::TestWithParam<TypeCase> {};

TEST_P(EveryType, IsReadAsMegatronWritesIt) {
  auto [code, width, low, high] = GetParam();
  ScratchFolder folder;
  IndexBytes index;
  index.code = static_cast<uint8_t>(code);
  index.lengths = {2, 1};
  index.pointers = {0, 2 * width};
  index.documents = {0, 2};  // one document of two sequences
  folder.write("m.idx", index.to_bytes());
  folder.write("m.bin", bin_bytes({low, high, 5}, width));
  TokenShard shard(folder / "m");
  EXPECT_EQ(shard.documents(), 1);
  EXPECT_EQ(shard.sequences(), 2);
  EXPECT_FALSE(shard.has_checksums());
  EXPECT_EQ(all_ids(shard), (std::vector<int64_t>{low, high, 5}));
}

INSTANTIATE_TEST_SUITE_P(Types, EveryType,
                         testing::Values(TypeCase{1, 1, 0, 255}, TypeCase{2, 1, -128, 127},
                                         TypeCase{3, 2, -32768, 32767},
                                         TypeCase{4, 4, -2147483648LL, 2147483647},
                                         TypeCase{5, 8, -4611686018427387904LL, 4611686018427387903LL},
                                         TypeCase{8, 2, 0, 65535}));

TEST(TokenShard, ReadsModesAndDocumentsOfSeveralSequences) {
  ScratchFolder folder;
  IndexBytes index;
  index.lengths = {2, 3, 1};
  index.pointers = {0, 4, 10};
  index.documents = {0, 2, 3};
  index.modes = std::string(3, '\0');
  folder.write("m.idx", index.to_bytes());
  folder.write("m.bin", bin_bytes({1, 2, 3, 4, 5, 6}, 2));
  TokenShard shard(folder / "m");
  EXPECT_EQ(shard.documents(), 2);
  EXPECT_EQ(shard.document_begin(1), 5);
  EXPECT_EQ(shard.document_at(4), 0);
  EXPECT_EQ(shard.document_at(5), 1);
}

// Sequences out of order and with bytes in common: the stream follows the index.
TEST(TokenShard, FollowsPointersThatAreNotBackToBack) {
  ScratchFolder folder;
  IndexBytes index;
  index.lengths = {2, 3, 2};
  index.pointers = {6, 0, 6};
  index.documents = {0, 1, 2, 3};
  folder.write("m.idx", index.to_bytes());
  folder.write("m.bin", bin_bytes({10, 11, 12, 13, 14}, 2));
  TokenShard shard(folder / "m");
  EXPECT_EQ(shard.tokens(), 7);
  EXPECT_EQ(all_ids(shard), (std::vector<int64_t>{13, 14, 10, 11, 12, 13, 14}));
  std::vector<int64_t> window(3);
  shard.read(4, window);
  EXPECT_EQ(window, (std::vector<int64_t>{12, 13, 14}));
  expect_has(message_of([&] { shard.check_vocabulary(4, window, 14); }), "byte 8: token 6 is id 14");
}

TEST(TokenShard, AnEmptyShardOpens) {
  ScratchFolder folder;
  TokenShardWriter(folder / "none", TokenType::kU16).publish();
  TokenShard shard(folder / "none");
  EXPECT_EQ(shard.documents(), 0);
  EXPECT_EQ(shard.tokens(), 0);
  EXPECT_EQ(shard.highest_id(), -1);
}

TEST(TokenShard, NamesMissingFilesAndPrefixesWithASuffix) {
  ScratchFolder folder;
  write_three(folder);
  expect_has(message_of([&] { TokenShard(folder / "other"); }), "other.idx: no such file");
  expect_has(message_of([&] { TokenShard(folder / "corpus.bin"); }), "without .bin or .idx");
  std::filesystem::remove(folder / "corpus.bin");
  expect_has(message_of([&] { TokenShard(folder / "corpus"); }), "corpus.bin: no such file");
}

TEST(TokenShard, NamesIdsOutsideTheVocabulary) {
  ScratchFolder folder;
  TokenShard shard(write_three(folder));
  std::vector<int64_t> ids(3);
  shard.read(1, ids);
  std::string message = message_of([&] { shard.check_vocabulary(1, ids, 100); });
  expect_has(message, "corpus.bin: byte 4: token 2 is id 65535");
  expect_has(message, "0 to 99");
  expect_has(message, "model.vocabulary to at least 65536");
}

// What each damaged index says. The valid one: 3 sequences of 2, 3 and 1 ids in two documents.
struct Damage {
  const char* what;
  void (*apply)(IndexBytes&);
  const char* message;
};

class DamagedIndex : public testing::TestWithParam<Damage> {};

TEST_P(DamagedIndex, IsRefusedWithItsPlace) {
  ScratchFolder folder;
  IndexBytes index;
  index.lengths = {2, 3, 1};
  index.pointers = {0, 4, 10};
  index.documents = {0, 2, 3};
  GetParam().apply(index);
  folder.write("m.idx", index.to_bytes());
  folder.write("m.bin", bin_bytes({1, 2, 3, 4, 5, 6}, 2));
  std::string message = message_of([&] { TokenShard(folder / "m"); });
  expect_has(message, GetParam().message);
  expect_has(message, "build it again with `sextant data build`");
}

INSTANTIATE_TEST_SUITE_P(
    Ways, DamagedIndex,
    testing::Values(
        Damage{"magic", [](IndexBytes& i) { i.magic[0] = 'X'; }, "m.idx: byte 0: this is no token index"},
        Damage{"version", [](IndexBytes& i) { i.version = 2; }, "byte 9: version 2, known is 1"},
        Damage{"float", [](IndexBytes& i) { i.code = 6; }, "byte 17: type code 6"},
        Damage{"no type", [](IndexBytes& i) { i.code = 0; }, "byte 17: type code 0"},
        Damage{"other type", [](IndexBytes& i) { i.code = 4; }, "sequence 1 of 3 tokens lies at byte 4 of"},
        Damage{"negative length", [](IndexBytes& i) { i.lengths[1] = -3; },
               "byte 38: sequence 1 has length -3"},
        Damage{"long length", [](IndexBytes& i) { i.lengths[2] = 2000000000; },
               "m.bin: byte 12: the file ends inside sequence 2, which its index puts at bytes 10 to "
               "4000000010"},
        Damage{"short length", [](IndexBytes& i) { i.lengths[2] = 0; },
               "m.bin: byte 10: the file has 12 bytes, its index describes 10"},
        Damage{"negative pointer", [](IndexBytes& i) { i.pointers[1] = -4; }, "byte 54: sequence 1"},
        Damage{"far pointer", [](IndexBytes& i) { i.pointers[1] = int64_t{1} << 62; }, "byte 54: sequence 1"},
        Damage{"first document", [](IndexBytes& i) { i.documents[0] = 1; },
               "byte 70: document entry 0 of 3 is 1"},
        Damage{"falling documents", [](IndexBytes& i) { i.documents[1] = -1; },
               "byte 78: document entry 1 of 3 is -1"},
        Damage{"far document", [](IndexBytes& i) { i.documents[1] = 9; },
               "byte 78: document entry 1 of 3 is 9"},
        Damage{"last document", [](IndexBytes& i) { i.documents[2] = 2; },
               "byte 86: document entry 2 of 3 is 2"},
        Damage{"a byte more", [](IndexBytes& i) { i.modes = "x"; },
               "byte 94: 3 sequences and 3 document entries take 94 bytes, the file has 95"}),
    [](const auto& damage) {
      std::string name = damage.param.what;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

TEST(TokenShard, RefusesCountsThatWouldOverflow) {
  ScratchFolder folder;
  IndexBytes index;
  index.documents = {0};
  std::string bytes = index.to_bytes();
  folder.write("m.bin", "");
  for (uint64_t sequences : {uint64_t{1} << 62, uint64_t{0x1555555555555556}, ~uint64_t{0}, uint64_t{1}}) {
    folder.write("m.idx", bytes.substr(0, 18) + little(sequences, 8) + bytes.substr(26));
    message_of([&] { TokenShard(folder / "m"); });
  }
  for (uint64_t entries : {uint64_t{0}, uint64_t{1} << 61, ~uint64_t{0}}) {
    folder.write("m.idx", bytes.substr(0, 26) + little(entries, 8) + bytes.substr(34));
    message_of([&] { TokenShard(folder / "m"); });
  }
}

// Cut anywhere, each of the three files is refused.
TEST(TokenShard, RefusesTruncatedFiles) {
  ScratchFolder folder;
  write_three(folder);
  for (const char* name : {"corpus.idx", "corpus.bin", "corpus.sums"}) {
    std::string whole = ScratchFolder::read(folder / name);
    for (size_t size = whole.size(); size-- > 0;) {
      std::filesystem::resize_file(folder / name, size);
      expect_has(message_of([&] { TokenShard(folder / "corpus"); }), "again with `sextant data build`");
    }
    folder.write(name, whole);
  }
}

// Flips a bit where the file lies; twice gives the file back.
void flip(const std::filesystem::path& path, size_t bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  int byte = file.get() ^ (1 << (bit % 8));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(static_cast<char>(byte));
}

// Every single flipped bit of our own shard is found, wherever it is.
TEST(TokenShard, FindsEveryFlippedBit) {
  ScratchFolder folder;
  write_three(folder);
  for (const char* name : {"corpus.idx", "corpus.bin", "corpus.sums"}) {
    for (size_t bit = 0; bit < 8 * std::filesystem::file_size(folder / name); ++bit) {
      flip(folder / name, bit);
      std::string message = message_of([&] { all_ids(TokenShard(folder / "corpus")); });
      ASSERT_NE(message.find("corpus."), std::string::npos) << name << " bit " << bit;
      flip(folder / name, bit);
    }
  }
  EXPECT_EQ(all_ids(TokenShard(folder / "corpus")).size(), 7u);
}

TEST(TokenShard, FindsDamageOnlyWhereItReads) {
  ScratchFolder folder;
  TokenShardWriter writer(folder / "corpus", TokenType::kU16);
  writer.add_document(std::vector<int32_t>(100000, 5));
  writer.publish();
  std::string bytes = ScratchFolder::read(folder / "corpus.bin");
  bytes[70001] = 1;  // in the second block of 64 KiB
  folder.write("corpus.bin", bytes);
  TokenShard shard(folder / "corpus");
  std::vector<int64_t> ids(10);
  shard.read(0, ids);
  shard.read(90000, ids);
  expect_has(message_of([&] { shard.read(32768, ids); }),
             "corpus.bin: byte 65536: the 65536 bytes from here are damaged");
  expect_has(message_of([&] { shard.verify(); }), "byte 65536");
}

TEST(TokenShard, RefusesSumsOfAnotherShard) {
  ScratchFolder folder;
  write_three(folder);
  TokenShardWriter writer(folder / "other", TokenType::kU16);
  writer.add_document(std::vector<int32_t>{7, 0, 65535, 3, 1, 2, 9});
  writer.publish();
  std::filesystem::copy_file(folder / "other.sums", folder / "corpus.sums",
                             std::filesystem::copy_options::overwrite_existing);
  std::string message = message_of([&] { TokenShard(folder / "corpus"); });
  expect_has(message, "corpus.idx does not have the checksum");
  expect_has(message, "delete this file");
}

TEST(TokenShardWriter, LeavesNothingUnlessPublished) {
  ScratchFolder folder;
  { TokenShardWriter(folder / "corpus", TokenType::kU16).add_document(std::vector<int32_t>{1}); }
  EXPECT_EQ(folder.files(), 0u);
}

TEST(TokenShardWriter, ReplacesAnOlderShard) {
  ScratchFolder folder;
  write_three(folder);
  TokenShardWriter writer(folder / "corpus", TokenType::kI32);
  writer.add_document(std::vector<int32_t>{42});
  EXPECT_EQ(TokenShard(folder / "corpus").tokens(), 7);  // the old one stands until then
  writer.publish();
  EXPECT_EQ(all_ids(TokenShard(folder / "corpus")), (std::vector<int64_t>{42}));
}

TEST(TokenShardWriter, SaysWhenTheFolderIsMissing) {
  ScratchFolder folder;
  expect_has(
      message_of([&] { TokenShardWriter(folder / "no/corpus", TokenType::kU16); }, ErrorKind::kEnvironment),
      "no/corpus.bin");
}

}  // namespace
}  // namespace sextant::data::token_shard_test
