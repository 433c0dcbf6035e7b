// Every byte of a checkpoint matters: a flipped bit or a cut anywhere is found, named, and crashes nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "data/durable_file.h"
#include "parallel/group_threads.h"
#include "tests/trainer/checkpoint/state.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/verify.h"

namespace sextant::trainer::testing::damage_test {
namespace {

class Damage : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    save(small_state(), 1);
  }

  void save(const std::vector<Whole>& state, int64_t number) {
    parallel::run_ranks(2, [&](parallel::Group& world) {
      CheckpointWriter writer(folder_, world, {});
      writer.begin(header_of(number), cut_state(state, Cut::kDim0, world.rank().value(), 2),
                   {{"tokenizer.json", "{\"a\": 1}"}});
      writer.finish();
    });
    step_ = newest_checkpoint(folder_).value();
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(step_)) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
  }

  void read_everything() const {
    CheckpointReader reader(step_);
    for (const auto& [name, shape] : reader.tensors()) reader.read_whole(name);
    reader.side_file("tokenizer.json");
  }

  // Without fsync, and as a new file: some file systems flush one that is cut to nothing and written anew.
  static void put(const fs::path& path, const std::string& bytes) {
    fs::remove(path);
    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "wb"), std::fclose);
    ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file.get()), bytes.size());
  }

  static void set_byte(const fs::path& path, size_t at, int byte) {
    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "r+b"), std::fclose);
    std::fseek(file.get(), static_cast<long>(at), SEEK_SET);
    std::fputc(byte & 0xff, file.get());
  }

  fs::path step_;
};

TEST_F(Damage, EveryFlippedByteIsFoundAndTheFileNamed) {
  std::mt19937 generator(11);
  size_t flips = 0;
  for (const fs::path& path : files()) {
    std::string whole = data::read_file(path);
    for (size_t at = 0; at < whole.size(); ++at, ++flips) {
      set_byte(path, at, whole[at] ^ (1 << generator() % 8));
      std::vector<std::string> faults = verify_checkpoint(step_);
      ASSERT_EQ(faults.size(), 1U) << path << " byte " << at;
      ASSERT_NE(faults[0].find(path.string()), std::string::npos) << faults[0];
      // Readers notice as well; every third place, to stay quick.
      if (at % 3 == 0) {
        ASSERT_THROW(read_everything(), Error) << path << " byte " << at;
      }
      set_byte(path, at, whole[at]);
    }
  }
  EXPECT_GT(flips, 3000U);
  EXPECT_EQ(verify_checkpoint(step_), std::vector<std::string>());
  EXPECT_NO_THROW(read_everything());
}

TEST_F(Damage, EveryCutIsFound) {
  for (const fs::path& path : files()) {
    std::string whole = data::read_file(path);
    for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 200) {
      put(path, whole.substr(0, length));
      ASSERT_EQ(verify_checkpoint(step_).size(), 1U) << path << " cut at " << length;
      ASSERT_THROW(read_everything(), Error) << path << " cut at " << length;
    }
    put(path, whole + '\0');
    ASSERT_EQ(verify_checkpoint(step_).size(), 1U) << path << " with a byte too many";
    fs::remove(path);
    ASSERT_EQ(verify_checkpoint(step_).size(), 1U) << path << " missing";
    ASSERT_THROW(read_everything(), Error) << path << " missing";
    put(path, whole);
  }
}

TEST_F(Damage, IsNamedWithFileRankOffsetAndRemedy) {
  fs::path path = step_ / "rank-00001.safetensors";
  std::string whole = data::read_file(path);
  put(path, whole.substr(0, whole.size() - 9));
  expect_error(ErrorKind::kInput,
               {path.string(), "written by rank 1", fmt::format("cut off at byte {}", whole.size() - 9),
                "go on from the checkpoint before it"},
               [&] { CheckpointReader reader(step_); });
  std::string changed = whole;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  put(path, changed);
  CheckpointReader reader(step_);
  expect_error(ErrorKind::kInput,
               {path.string(), "written by rank 1", fmt::format("and {}, in tensor", whole.size()),
                "go on from the checkpoint before it"},
               [&] { read_everything(); });
}

TEST_F(Damage, SpoilsOnlyWhatItTouches) {
  save({{"weights/large", {2000, 3000}}, {"weights/other", {4}}}, 2);  // 12 MB a rank: blocks of 4 MiB
  fs::path path = step_ / "rank-00000.safetensors";
  std::string bytes = data::read_file(path);
  bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 4);
  put(path, bytes);
  CheckpointReader reader(step_);
  auto rows = [&](int64_t first) {
    StateTensor part{"weights/large", {2000, 3000}, {{first, 0}, {100, 3000}}, at::empty({100, 3000})};
    reader.read(part);
  };
  EXPECT_NO_THROW(rows(0)) << "another block of the same file";
  EXPECT_NO_THROW(rows(1500)) << "another file";
  EXPECT_THROW(rows(850), Error);
  std::vector<std::string> faults = reader.verify();
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults[0].find("in tensor weights/large"), std::string::npos) << faults[0];
}

TEST_F(Damage, ARenamedFolderIsNoticed) {
  fs::rename(step_, folder_ / "step-00000009");
  expect_error(ErrorKind::kInput, {"the folder's name says step 9, but its manifest.pb step 1"},
               [&] { CheckpointReader reader(folder_); });
  fs::rename(folder_ / "step-00000009", folder_ / "best");
  EXPECT_EQ(CheckpointReader(folder_ / "best").manifest().step(), 1);
}

// A manifest whose checksum is right but whose content is not: made by hand, by a fault of ours or by an
// enemy.
class Forged : public Damage {
 protected:
  std::string fault_after(const std::function<void(Manifest&)>& change) {
    Manifest manifest = read_manifest(step_ / kManifestName);
    change(manifest);
    return fault_of_message(manifest.SerializeAsString());
  }

  std::string fault_of_message(const std::string& message) {
    uint64_t length = message.size();
    uint64_t sum = data::checksum({reinterpret_cast<const uint8_t*>(message.data()), message.size()});
    std::string bytes = "SXTCKPT1";
    bytes.append(reinterpret_cast<const char*>(&length), 8);
    bytes.append(reinterpret_cast<const char*>(&sum), 8);
    std::string whole = data::read_file(step_ / kManifestName);
    put(step_ / kManifestName, bytes + message);
    std::string fault;
    try {
      read_everything();
    } catch (const Error& error) {
      fault = error.what();
    }
    put(step_ / kManifestName, whole);
    return fault;
  }
};

TEST_F(Forged, ContentThatDoesNotFitIsRefused) {
  struct Forgery {
    const char* fault;
    std::function<void(Manifest&)> change;
  };
  std::vector<Forgery> forgeries{
      {"is no name of a file", [](Manifest& m) { m.mutable_files(0)->set_name("../../etc/passwd"); }},
      {"is no name of a file", [](Manifest& m) { m.mutable_files(0)->set_name("/etc/passwd"); }},
      {"is listed twice", [](Manifest& m) { m.mutable_files(0)->set_name(m.files(1).name()); }},
      {"bytes long where", [](Manifest& m) { m.mutable_files(0)->set_bytes(m.files(0).bytes() + 4096); }},
      {"can not have -1 bytes", [](Manifest& m) { m.mutable_files(0)->set_bytes(-1); }},
      {"has no file 99", [](Manifest& m) { m.mutable_pieces(0)->set_file(99); }},
      {"has no file -1", [](Manifest& m) { m.mutable_pieces(0)->set_file(-1); }},
      {"leave its file", [](Manifest& m) { m.mutable_pieces(0)->set_begin(int64_t{1} << 40); }},
      {"leave its file", [](Manifest& m) { m.mutable_pieces(0)->set_begin(-8); }},
      {"is no place for numbers",
       [](Manifest& m) { m.mutable_pieces(0)->set_begin(m.pieces(0).begin() + 1); }},
      {"are not", [](Manifest& m) { m.mutable_pieces(0)->set_bytes(m.pieces(0).bytes() - 4); }},
      {"is unknown", [](Manifest& m) { m.mutable_pieces(0)->set_dtype("F31"); }},
      {"checksums for", [](Manifest& m) { m.mutable_pieces(0)->add_checksums(1); }},
      {"checksum_block", [](Manifest& m) { m.set_checksum_block(0); }},
      {"checksum_block", [](Manifest& m) { m.set_checksum_block(-5); }},
      {"has format 2", [](Manifest& m) { m.set_format(2); }},
      {"are in no box", [](Manifest& m) { m.mutable_pieces()->DeleteSubrange(0, 1); }},
      {"overlap", [](Manifest& m) { *m.add_pieces() = m.pieces(0); }},
      {"leaves the whole", [](Manifest& m) { m.mutable_pieces(0)->set_offset(0, INT64_MAX); }},
      {"leaves the whole", [](Manifest& m) { m.mutable_pieces(0)->set_offset(0, -1); }},
      {"too large", [](Manifest& m) { m.mutable_pieces(0)->set_whole(0, INT64_MAX); }},
      {"too large", [](Manifest& m) { m.mutable_pieces(0)->set_shape(0, -4); }},
      {"differ in dims", [](Manifest& m) { m.mutable_pieces(0)->add_offset(0); }},
      {"is not as the manifest describes it",
       [](Manifest& m) {
         for (auto& piece : *m.mutable_pieces()) piece.set_name(piece.name() + "x");
       }},
  };
  for (const Forgery& forgery : forgeries) {
    std::string fault = fault_after(forgery.change);
    EXPECT_NE(fault.find(forgery.fault), std::string::npos) << "'" << forgery.fault << "' not in: " << fault;
  }
  EXPECT_EQ(fault_after([](Manifest&) {}), "") << "an unchanged manifest is whole";
}

TEST_F(Forged, ManyEmptyPartsDoNotFillMemory) {
  // Two bytes each on disk, some hundred in memory.
  std::string pieces, files, unknown;
  for (int i = 0; i < 1 << 20; ++i) {
    pieces += std::string("\x62\x00", 2);
    files += std::string("\x5a\x00", 2);
    unknown += std::string("\xa0\x06\x01", 3);
  }
  EXPECT_NE(fault_of_message(pieces).find("field 12 has no valid length"), std::string::npos);
  EXPECT_NE(fault_of_message(files).find("field 11 has no valid length"), std::string::npos);
  EXPECT_NE(fault_of_message(unknown).find("field 100 is unknown"), std::string::npos);
}

TEST_F(Forged, RandomChangesCrashNothing) {
  std::string message = data::read_file(step_ / kManifestName).substr(24);
  std::mt19937 generator(5);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = message;
    for (uint32_t n = generator() % 3 + 1; n > 0; --n) {
      changed[generator() % changed.size()] = static_cast<char>(generator());
    }
    if (generator() % 8 == 0) changed.resize(generator() % changed.size());
    if (!fault_of_message(changed).empty()) ++refused;
  }
  // What remains changed a free text or a counter.
  EXPECT_GT(refused, 2000);
}

}  // namespace
}  // namespace sextant::trainer::testing::damage_test
