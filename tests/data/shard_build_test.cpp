#include "data/shard_build.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "data/shard_summary.h"
#include "data/token_shard.h"
#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"

namespace sextant::data::shard_build_test {
namespace {

BuildProgress build(const std::vector<std::filesystem::path>& files, const BuildSettings& settings) {
  static const Tokenizer tokenizer = byte_tokenizer();
  return build_shards(files, tokenizer, settings, [](const BuildProgress&) {});
}

std::string text_of(const TokenShard& shard, int64_t document) {
  std::vector<int64_t> ids(
      static_cast<size_t>(shard.document_begin(document + 1) - shard.document_begin(document)));
  shard.read(shard.document_begin(document), ids);
  std::string text;
  for (int64_t id : ids) text += id == 256 ? std::string("|") : std::string(1, static_cast<char>(id));
  return text;
}

std::vector<std::string> texts(const std::filesystem::path& prefix) {
  TokenShard shard(prefix);
  std::vector<std::string> all;
  for (int64_t document = 0; document < shard.documents(); ++document)
    all.push_back(text_of(shard, document));
  return all;
}

// Documents of many lengths, some longer than a pack.
std::string many_lines(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    lines += "{\"text\": \"" + std::to_string(i) + std::string(static_cast<size_t>(i * 7919 % 5000), 'x') +
             (i == 50 ? std::string(700000, 'y') : "") + "\"}\n";
  }
  return lines;
}

TEST(ShardBuild, EncodesFilesInOrder) {
  ScratchFolder folder;
  BuildSettings settings;
  settings.output = folder / "new/sub/corpus";
  BuildProgress done = build(
      {folder.write("a.txt", "first\n"), folder.write("b.jsonl", "{\"text\": \"two\"}\n{\"text\": \"3\"}\n")},
      settings);
  EXPECT_EQ(texts(settings.output), (std::vector<std::string>{"first\n|", "two|", "3|"}));
  EXPECT_EQ(done.documents, 3);
  EXPECT_EQ(done.tokens, 13);
  EXPECT_EQ(done.text_bytes, 10u);
  EXPECT_EQ(done.bytes_read, done.bytes_total);
  EXPECT_EQ(TokenShard(settings.output).type(), TokenType::kU16);
}

TEST(ShardBuild, CanLeaveTheEndOut) {
  ScratchFolder folder;
  BuildSettings settings;
  settings.output = folder / "corpus";
  settings.end = DocumentEnd::kNothing;
  build({folder.write("a.txt", "first")}, settings);
  EXPECT_EQ(texts(settings.output), std::vector<std::string>{"first"});
}

TEST(ShardBuild, GivesTheSameBytesOnAnyNumberOfThreads) {
  ScratchFolder folder;
  auto file = folder.write("a.jsonl", many_lines(400));
  std::string bin, idx;
  for (int threads : {1, 2, 7}) {
    BuildSettings settings;
    settings.output = folder / ("corpus" + std::to_string(threads));
    settings.threads = threads;
    BuildProgress done = build({file, file}, settings);
    EXPECT_EQ(done.documents, 800);
    EXPECT_EQ(done.bytes_read, done.bytes_total);
    if (threads == 1) {
      bin = ScratchFolder::read(folder / "corpus1.bin");
      idx = ScratchFolder::read(folder / "corpus1.idx");
      EXPECT_EQ(text_of(TokenShard(settings.output), 399 + 1 + 2),
                "2" + std::string(2 * 7919 % 5000, 'x') + "|");
    } else {
      EXPECT_EQ(ScratchFolder::read(settings.output.string() + ".bin"), bin);
      EXPECT_EQ(ScratchFolder::read(settings.output.string() + ".idx"), idx);
    }
  }
}

TEST(ShardBuild, HoldsOutWholeDocumentsByTheirNumber) {
  ScratchFolder folder;
  auto file = folder.write("a.jsonl", many_lines(400));
  BuildSettings settings;
  settings.output = folder / "corpus";
  settings.valid_fraction = 0.25;
  BuildProgress done = build({file}, settings);
  std::vector<std::string> train = texts(folder / "corpus"), valid = texts(folder / "corpus_valid");
  EXPECT_EQ(train.size() + valid.size(), 400u);
  EXPECT_EQ(static_cast<int64_t>(valid.size()), done.valid_documents);
  EXPECT_NEAR(static_cast<double>(valid.size()), 100, 5 * 8.7);  // five standard deviations
  settings.threads = 1;
  build({file}, settings);
  EXPECT_EQ(texts(folder / "corpus_valid"), valid);
  settings.valid_fraction = 1e-9;
  expect_has(message_of([&] { build({file}, settings); }), "leaves one side empty");
}

TEST(ShardBuild, ReportsProgressThatRises) {
  ScratchFolder folder;
  auto file = folder.write("a.jsonl", many_lines(1000));
  BuildSettings settings;
  settings.output = folder / "corpus";
  BuildProgress last;
  int reports = 0;
  build_shards({file}, byte_tokenizer(), settings, [&](const BuildProgress& now) {
    EXPECT_GT(now.documents, last.documents);
    EXPECT_GE(now.bytes_read, last.bytes_read);
    EXPECT_LE(now.bytes_read, now.bytes_total);
    last = now;
    ++reports;
  });
  EXPECT_GT(reports, 5);
}

TEST(ShardBuild, ABadFileLeavesNoShard) {
  ScratchFolder folder;
  auto good = folder.write("a.jsonl", many_lines(500));
  BuildSettings settings;
  settings.output = folder / "out/corpus";
  expect_has(message_of([&] {
               build({good, folder / "none.txt"}, settings);
             }),
             "none.txt: can not be opened");
  auto bad = folder.write("bad.jsonl", many_lines(300) + "{\"text\": \"cut\n" + many_lines(300));
  expect_has(message_of([&] { build({good, bad}, settings); }), "bad.jsonl:301: ");
  expect_has(message_of([&] { build({folder.write("blank.txt", "\n \n")}, settings); }),
             "no text in the 1 file given");
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out"));
}

// A file-size limit stands in for a full disk: a write fails in the middle.
TEST(ShardBuild, AFullDiskIsNamedAndLeavesNothing) {
  ScratchFolder folder;
  auto file = folder.write("a.txt", std::string(9000000, 'x'));
  BuildSettings settings;
  settings.output = folder / "out/corpus";
  auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit small{5000000, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message = message_of([&] { build({file}, settings); }, ErrorKind::kEnvironment);
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  expect_has(message, "corpus.bin");
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out"));
}

TEST(ShardBuild, AReportThatThrowsEndsTheBuild) {
  ScratchFolder folder;
  auto file = folder.write("a.jsonl", many_lines(3000));
  BuildSettings settings;
  settings.output = folder / "out/corpus";
  EXPECT_THROW(build_shards({file}, byte_tokenizer(), settings,
                            [](const BuildProgress&) { throw std::runtime_error("enough"); }),
               std::runtime_error);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out"));
}

TEST(ShardSummary, CountsDocuments) {
  ScratchFolder folder;
  BuildSettings settings;
  settings.output = folder / "corpus";
  build({folder.write("a.jsonl", "{\"text\": \"abc\"}\n{\"text\": \"d\"}\n{\"text\": \"efghi\"}\n")},
        settings);
  TokenShard shard(folder / "corpus");
  ShardSummary summary = summarize(shard);
  EXPECT_EQ(summary.documents, 3);
  EXPECT_EQ(summary.tokens, 12);
  EXPECT_EQ(summary.shortest, 2);
  EXPECT_EQ(summary.longest, 6);
  EXPECT_DOUBLE_EQ(summary.mean, 4);
  EXPECT_EQ(sample_documents(shard, 10), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(sample_documents(shard, 2).size(), 2u);
}

}  // namespace
}  // namespace sextant::data::shard_build_test
