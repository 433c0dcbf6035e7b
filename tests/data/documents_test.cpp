#include "data/documents.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <thread>
#include <vector>

#include "data/byte_source.h"
#include "data/lines.h"
#include "tests/data/scratch_folder.h"

namespace sextant::data::documents_test {
namespace {

std::vector<std::string> read_all(const std::filesystem::path& file, const DocumentSettings& settings = {}) {
  auto reader = open_documents(file, settings);
  std::vector<std::string> documents;
  for (std::string text; reader->next(text); text.clear()) documents.push_back(text);
  EXPECT_EQ(reader->consumed(), size_on_disk(file));
  return documents;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

// Text that does not pack to nothing, longer than every buffer inside.
std::string long_text(size_t lines) {
  std::string text;
  uint64_t state = 1;
  for (size_t i = 0; i < lines; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text += "line " + std::to_string(state) + "\n";
  }
  return text;
}

TEST(Documents, AFileIsOneDocumentByteForByte) {
  ScratchFolder folder;
  std::string text = long_text(200000) + "no newline \xff\xfe at the end\r";
  EXPECT_EQ(read_all(folder.write("a.txt", text)), std::vector<std::string>{text});
}

TEST(Documents, AByteOrderMarkIsDropped) {
  ScratchFolder folder;
  EXPECT_EQ(read_all(folder.write("a.txt", "\xef\xbb\xbfhello")), std::vector<std::string>{"hello"});
  EXPECT_EQ(read_all(folder.write("a.jsonl", "\xef\xbb\xbf{\"text\": \"hello\"}")),
            std::vector<std::string>{"hello"});
  DocumentSettings cut;
  cut.new_document_at = "^h";
  EXPECT_EQ(read_all(folder.write("b.txt", "\xef\xbb\xbfhello\nhi"), cut),
            (std::vector<std::string>{"hello\n", "hi"}));
}

TEST(Documents, EmptyAndBlankFilesHoldNone) {
  ScratchFolder folder;
  for (const char* text : {"", "\n", " \t\r\n\n"}) {
    EXPECT_TRUE(read_all(folder.write("a.txt", text)).empty());
    EXPECT_TRUE(read_all(folder.write("a.jsonl", text)).empty());
  }
  EXPECT_TRUE(read_all(folder.write("a.gz", gzip(""))).empty());
  EXPECT_TRUE(read_all(folder.write("a.zst", zstd(""))).empty());
}

TEST(Documents, ALineThatMatchesBeginsADocument) {
  ScratchFolder folder;
  DocumentSettings cut;
  cut.new_document_at = "^# ";
  EXPECT_EQ(read_all(folder.write("a.txt", "front\n# one\ntext\r\n# two\n# three\n\nend"), cut),
            (std::vector<std::string>{"front\n", "# one\ntext\r\n", "# two\n", "# three\n\nend"}));
  EXPECT_EQ(read_all(folder.write("b.txt", "# one\n"), cut), std::vector<std::string>{"# one\n"});
  cut.new_document_at = "^$";  // blank documents between blank lines are passed over
  EXPECT_EQ(read_all(folder.write("c.txt", "a\n\n\n\nb\r\n\r\nc"), cut),
            (std::vector<std::string>{"a\n", "\nb\r\n", "\r\nc"}));
}

TEST(Documents, PatternsKnowUnicodeAndSurviveOtherBytes) {
  ScratchFolder folder;
  DocumentSettings cut;
  cut.new_document_at = "^\\p{Lu}{2}";
  EXPECT_EQ(read_all(folder.write("a.txt", "\xff\xff\nÄÖ x\nab\n"), cut),
            (std::vector<std::string>{"\xff\xff\n", "ÄÖ x\nab\n"}));
  cut.new_document_at = "a(b";
  std::string message = message_of([&] { open_documents(folder / "a.txt", cut); });
  expect_has(message, "the pattern 'a(b' is wrong at character 3: missing closing parenthesis");
}

TEST(Documents, LinesLongerThanTheBufferAreWhole) {
  ScratchFolder folder;
  std::string longest(3500000, 'x'), last(1200000, 'y');
  auto file = folder.write("a.txt", "short\n" + longest + "\nmiddle\n" + last);
  LineReader lines(file, uint64_t{1} << 30);
  std::vector<std::string> all;
  for (std::string_view line; lines.next(line);) all.emplace_back(line);
  EXPECT_EQ(all, (std::vector<std::string>{"short\n", longest + "\n", "middle\n", last}));
  EXPECT_EQ(lines.number(), 4);
}

TEST(Documents, JsonLines) {
  ScratchFolder folder;
  auto file = folder.write("a.jsonl",
                           "{\"text\": \"one\"}\n\n  {\"id\": 3, \"meta\": {\"text\": \"no\"}, \"text\": "
                           "\"t\\u00e4\\n\\\"2\\\"\"}\r\n"
                           "{\"text\": \"\"}\n{\"text\": \" \\n\"}\n{\"text\":\"four \xf0\x9f\x98\x80\"}");
  EXPECT_EQ(read_all(file), (std::vector<std::string>{"one", "tä\n\"2\"", "four 😀"}));
  DocumentSettings settings;
  settings.json_key = "body";
  EXPECT_EQ(read_all(folder.write("b.json", "{\"body\": \"x\", \"body\": \"y\"}\n"), settings),
            std::vector<std::string>{"y"});
}

TEST(Documents, ManyJsonLinesAcrossBuffers) {
  ScratchFolder folder;
  std::string bytes;
  std::vector<std::string> expected;
  for (size_t i = 0; i < 3000; ++i) {
    expected.push_back(std::string(1 + i * 7919 % 3000, static_cast<char>('a' + i % 26)));
    bytes += "{\"text\": \"" + expected.back() + "\"}\n";
  }
  EXPECT_EQ(read_all(folder.write("a.jsonl", bytes)), expected);
  EXPECT_EQ(read_all(folder.write("a.jsonl.gz", gzip(bytes))), expected);
  EXPECT_EQ(read_all(folder.write("a.jsonl.zst", zstd(bytes))), expected);
}

TEST(Documents, TheFormatFollowsTheNameUnlessGiven) {
  ScratchFolder folder;
  std::string line = "{\"text\": \"x\"}";
  for (const char* name : {"a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz", "a.json.zst"}) {
    EXPECT_EQ(read_all(folder.write(name, line)), std::vector<std::string>{"x"}) << name;
  }
  for (const char* name : {"a.txt", "a", "a.jsonl.txt", "jsonl"}) {
    EXPECT_EQ(read_all(folder.write(name, line)), std::vector<std::string>{line}) << name;
  }
  DocumentSettings settings;
  settings.format = DocumentFormat::kJsonLines;
  EXPECT_EQ(read_all(folder / "a.txt", settings), std::vector<std::string>{"x"});
  settings.format = DocumentFormat::kText;
  EXPECT_EQ(read_all(folder / "a.json", settings), std::vector<std::string>{line});
}

struct BadLine {
  const char* line;
  const char* message;
};

class BadJson : public testing::TestWithParam<BadLine> {};

TEST_P(BadJson, IsNamedWithFileAndLine) {
  ScratchFolder folder;
  auto file = folder.write(
      "a.jsonl", std::string("{\"text\": \"fine\"}\n\n") + GetParam().line + "\n{\"text\": \"fine\"}\n");
  std::string message = message_of([&] { read_all(file); });
  expect_has(message, "a.jsonl:3: ");
  expect_has(message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Lines, BadJson,
    testing::Values(BadLine{"{\"text\": \"cut", "not JSON"}, BadLine{"{\"text\": \"x\"", "not JSON"},
                    BadLine{"{\"text\": \"x\"} {}", "not JSON"},
                    BadLine{"{\"text\": \"x\", \"other\": [1, }", "not JSON"},
                    BadLine{"plain text", "not JSON"}, BadLine{"{\"text\": \"\xff\"}", "not JSON"},
                    BadLine{"[\"text\"]", "this line is an array; each line holds an object"},
                    BadLine{"\"text\"", "this line is a string"},
                    BadLine{"{\"text\": 3}", "\"text\" is a number, not a string"},
                    BadLine{"{\"text\": null}", "\"text\" is null"},
                    BadLine{"{\"text\": [\"a\"]}", "\"text\" is an array"},
                    BadLine{"{\"Text\": \"a\", \"id\": 1}",
                            "no \"text\" (it has \"Text\", \"id\"); name the text's key with --json-key"},
                    BadLine{"{}", "it has no keys"}));

TEST(Documents, PackedFilesAreRecognisedByTheirBytes) {
  ScratchFolder folder;
  std::string text = long_text(60000);
  EXPECT_EQ(read_all(folder.write("a.txt", gzip(text))), std::vector<std::string>{text});
  EXPECT_EQ(read_all(folder.write("b.txt", zstd(text))), std::vector<std::string>{text});
}

TEST(Documents, MembersAndFramesFollowEachOther) {
  ScratchFolder folder;
  std::string one = long_text(50000), two = "and more", all = one + two;
  EXPECT_EQ(read_all(folder.write("a.gz", gzip(one) + gzip("") + gzip(two))), std::vector<std::string>{all});
  EXPECT_EQ(read_all(folder.write("b.gz", gzip(all) + std::string(1000, '\0'))),
            std::vector<std::string>{all});
  std::string skippable("\x52\x2a\x4d\x18\x03\0\0\0abc", 11);
  EXPECT_EQ(
      read_all(folder.write("c.zst", skippable + zstd(one) + zstd("") + skippable + zstd(two) + skippable)),
      std::vector<std::string>{all});
}

// dictzip: a gzip member with an extra field, which zlib passes over.
TEST(Documents, DictzipIsGzip) {
  ScratchFolder folder;
  std::string packed = gzip("a dictionary\n");
  packed[3] = 4;  // FEXTRA
  packed.insert(10, std::string("\x0a\0RA\x06\0\x01\0\0\xe0\x01\0", 12));
  EXPECT_EQ(read_all(folder.write("a.dict.dz", packed)), std::vector<std::string>{"a dictionary\n"});
}

TEST(Documents, TruncatedPackedFilesAreRefused) {
  ScratchFolder folder;
  std::string text = long_text(60000);
  for (auto [name, whole] : {std::pair{"a.gz", gzip(text)}, {"a.zst", zstd(text)}}) {
    for (size_t size : {size_t{5}, size_t{11}, whole.size() / 2, whole.size() - 5, whole.size() - 1}) {
      std::string message = message_of([&] { read_all(folder.write(name, whole.substr(0, size))); });
      expect_has(message, std::string(name) + ": byte " + std::to_string(size) + ": ");
      expect_has(message, "the file is truncated");
    }
  }
}

TEST(Documents, DamagedPackedFilesAreRefused) {
  ScratchFolder folder;
  std::string text = long_text(60000);
  for (auto [name, whole] : {std::pair{"a.gz", gzip(text)}, {"a.zst", zstd(text)}}) {
    for (size_t at : {whole.size() / 2, whole.size() - 2}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      expect_has(message_of([&] { read_all(folder.write(name, damaged)); }), "data is damaged");
    }
    expect_has(message_of([&] { read_all(folder.write(name, whole + "garbage")); }), "data is damaged");
  }
}

TEST(Documents, OtherPackingsAreNamed) {
  ScratchFolder folder;
  for (auto [bytes, name] : {std::pair{std::string("\xfd"
                                                   "7zXZ\0\0",
                                                   7),
                                       "xz"},
                             {"BZh91AY&SY...", "bzip2"},
                             {"PK\x03\x04...", "zip"},
                             {"PAR1....", "Parquet"}}) {
    expect_has(message_of([&] { read_all(folder.write("a", bytes)); }),
               std::string("is a ") + name + " file");
  }
}

TEST(Documents, TooLongOnesAreNamed) {
  ScratchFolder folder;
  DocumentSettings small;
  small.limit = 1000;
  expect_has(message_of([&] { read_all(folder.write("a.txt", std::string(1001, 'x')), small); }),
             "a.txt: one document of more than 1000 bytes");
  EXPECT_EQ(read_all(folder.write("a.txt", std::string(1000, 'x')), small).size(), 1u);
  std::string line = "{\"text\": \"" + std::string(1000, 'x') + "\"}";
  expect_has(message_of([&] { read_all(folder.write("a.jsonl", "{\"text\": \"x\"}\n" + line), small); }),
             "a.jsonl:2: a line of more than 1000 bytes");
  small.new_document_at = "^#";
  expect_has(message_of([&] { read_all(folder.write("b.txt", "#\n" + long_text(100)), small); }),
             "a document of more than 1000 bytes");
}

TEST(Documents, MissingFilesAndFoldersAreNamed) {
  ScratchFolder folder;
  expect_has(message_of([&] { read_all(folder / "none.txt"); }), "none.txt: can not be opened: No such file");
  std::filesystem::create_directory(folder / "sub");
  expect_has(message_of([&] { read_all(folder / "sub"); }), "sub: byte 0: can not be read: Is a directory");
}

TEST(Documents, PipesAreRead) {
  ScratchFolder folder;
  auto path = folder / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string text = long_text(50000);
  std::thread writer([&] { std::ofstream(path, std::ios::binary) << text; });
  auto reader = open_documents(path, {});
  std::string read;
  EXPECT_TRUE(reader->next(read));
  writer.join();
  EXPECT_EQ(read, text);
  EXPECT_EQ(size_on_disk(path), 0u);
}

}  // namespace
}  // namespace sextant::data::documents_test
