#include "data/durable_file.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <random>

#include "parallel/base/error.h"

namespace sextant::data::durable_file_test {
namespace {

namespace fs = std::filesystem;

class DurableFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "durable_file_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

std::optional<Error> error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

void expect_error(ErrorKind kind, const std::string& part, const std::function<void()>& action) {
  std::optional<Error> error = error_of(action);
  ASSERT_TRUE(error.has_value()) << "no error that says '" << part << "'";
  EXPECT_EQ(error->kind(), kind);
  EXPECT_NE(std::string(error->what()).find(part), std::string::npos) << error->what();
}

std::string random_bytes(size_t count) {
  std::mt19937 generator(7);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator());
  return bytes;
}

TEST_F(DurableFileTest, WritesOfEverySizeArriveInOrder) {
  std::string expected = random_bytes(size_t{11} << 20);
  fs::path path = folder_ / "file";
  DurableFile file(path);
  // Below, at and above the buffer's 4 MiB, so that every path through write() is taken.
  size_t at = 0;
  for (size_t count :
       {size_t{1}, size_t{0}, size_t{4095}, size_t{4} << 20, size_t{100}, (size_t{4} << 20) - 1}) {
    file.write(expected.data() + at, count);
    at += count;
  }
  file.write(std::string_view(expected).substr(at));
  EXPECT_EQ(file.size(), expected.size());
  uint64_t sum = file.checksum();
  EXPECT_FALSE(fs::exists(path)) << "the name appears at publish() only";
  file.publish();
  EXPECT_TRUE(read_file(path) == expected);
  EXPECT_EQ(files(), 1U);

  MappedFile mapped(path);
  EXPECT_EQ(checksum(mapped.bytes()), sum);
  EXPECT_EQ(mapped.path(), path);
}

TEST_F(DurableFileTest, ChecksumIsXxh3) {
  // Values from the Python package xxhash: xxh3_64_hexdigest(b"sextant").
  EXPECT_EQ(checksum({}), 0x2d06800538d394c2ULL);
  std::string text = "sextant";
  EXPECT_EQ(checksum({reinterpret_cast<const uint8_t*>(text.data()), text.size()}), 0xf48912a299b15a37ULL);
}

TEST_F(DurableFileTest, WriteAtReplacesBytesThatAreStillInTheBuffer) {
  DurableFile file(folder_ / "file");
  file.write("counts unknown, then data");
  file.write_at(7, "are: 42", 7);
  file.write(" and more");
  file.publish();
  EXPECT_EQ(read_file(folder_ / "file"), "counts are: 42, then data and more");
  DurableFile other(folder_ / "other");
  other.write("abc");
  EXPECT_THROW(other.write_at(2, "xy", 2), std::logic_error);
}

TEST_F(DurableFileTest, WithoutPublishTheOldFileStays) {
  fs::path path = folder_ / "file";
  write_file(path, "old");
  try {
    DurableFile file(path);
    file.write("new");
    EXPECT_EQ(files(), 2U);
    throw std::runtime_error("the program failed meanwhile");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(files(), 1U) << "the partial file is gone";
  write_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
}

TEST_F(DurableFileTest, LeavesALinkInPlaceOfThePartialFileAlone) {
  write_file(folder_ / "victim", "precious");
  fs::create_symlink(folder_ / "victim", folder_ / ("file.partial-" + std::to_string(::getpid())));
  write_file(folder_ / "file", "text");
  EXPECT_EQ(read_file(folder_ / "victim"), "precious");
}

TEST_F(DurableFileTest, MissingFilesAndFoldersAreNamed) {
  fs::path missing = folder_ / "absent.bin";
  for (const auto& [path, part] :
       {std::pair{missing, "absent.bin: can not be opened: No such file or directory"},
        std::pair{folder_, "is a folder where a file was expected"}}) {
    expect_error(ErrorKind::kInput, part, [&, p = path] { read_file(p); });
    expect_error(ErrorKind::kInput, part, [&, p = path] { MappedFile file(p); });
  }
  expect_error(ErrorKind::kEnvironment, "No such file or directory",
               [&] { DurableFile file(folder_ / "no" / "folder"); });
  expect_error(ErrorKind::kEnvironment, "can not be put in place (rename): Is a directory", [&] {
    fs::create_directory(folder_ / "taken");
    write_file(folder_ / "taken", "text");
  });
  expect_error(ErrorKind::kEnvironment, "absent.bin", [&] { sync_folder(missing); });
}

TEST_F(DurableFileTest, PipesAreNotMappedAndDoNotHang) {
  fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_error(ErrorKind::kInput, "is not a regular file", [&] { MappedFile file(pipe); });
  expect_error(ErrorKind::kInput, "is not a regular file", [&] { MappedFile file("/dev/null"); });
}

TEST_F(DurableFileTest, ReadsFilesWhoseSizeIsUnknown) {
  EXPECT_NE(read_file("/proc/self/status").find("VmRSS"), std::string::npos);
  EXPECT_EQ(read_file("/dev/null"), "");
  expect_error(ErrorKind::kInput, "at most 5000 are expected", [&] { read_file("/dev/zero", 5000); });
}

TEST_F(DurableFileTest, ReadKeepsToItsLimit) {
  write_file(folder_ / "file", "12345");
  EXPECT_EQ(read_file(folder_ / "file", 5), "12345");
  expect_error(ErrorKind::kInput, "5 bytes or more, but at most 4", [&] { read_file(folder_ / "file", 4); });
}

TEST_F(DurableFileTest, EmptyFilesAreFiles) {
  write_file(folder_ / "empty", "");
  EXPECT_EQ(read_file(folder_ / "empty"), "");
  MappedFile file(folder_ / "empty");
  EXPECT_TRUE(file.bytes().empty());
}

TEST_F(DurableFileTest, MappingsMove) {
  write_file(folder_ / "a", "aaa");
  write_file(folder_ / "b", "b");
  MappedFile first(folder_ / "a");
  const uint8_t* at = first.bytes().data();
  MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes().data(), at);
  second = MappedFile(folder_ / "b");
  EXPECT_EQ(second.bytes().size(), 1U);
  EXPECT_EQ(second.bytes()[0], 'b');
}

// A full disk without the right to mount: a limit on the size of files gives EFBIG at the same place.
TEST_F(DurableFileTest, AWriteThatFailsSaysHowManyBytesAndWhy) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small{size_t{1} << 20, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::optional<Error> large = error_of([&] {
    DurableFile file(folder_ / "file");
    file.write(random_bytes(size_t{5} << 20));
  });
  std::optional<Error> buffered =
      error_of([&] { write_file(folder_ / "file", random_bytes(size_t{2} << 20)); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_TRUE(large.has_value() && buffered.has_value());
  EXPECT_EQ(large->kind(), ErrorKind::kEnvironment);
  EXPECT_NE(std::string(large->what()).find("can not write 4194304 bytes at byte 1048576: File too large"),
            std::string::npos)
      << large->what();
  EXPECT_EQ(files(), 0U) << "the partial file is gone";
}

TEST_F(DurableFileTest, AFullDiskLeavesTheOldFile) {
  fs::path disk = folder_ / "disk";
  fs::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "may not mount here";
  write_file(disk / "file", "old");
  std::optional<Error> error = error_of([&] { write_file(disk / "file", random_bytes(size_t{2} << 20)); });
  std::string kept = read_file(disk / "file");
  size_t left = static_cast<size_t>(std::distance(fs::directory_iterator(disk), fs::directory_iterator()));
  ::umount2(disk.c_str(), MNT_DETACH);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kEnvironment);
  EXPECT_NE(std::string(error->what()).find("No space left on device"), std::string::npos) << error->what();
  EXPECT_EQ(kept, "old");
  EXPECT_EQ(left, 1U);
}

}  // namespace
}  // namespace sextant::data::durable_file_test
