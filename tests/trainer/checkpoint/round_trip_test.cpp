// What is saved on some ranks, cut in some way, is loaded to the bit on others, cut in another.
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>

#include "data/durable_file.h"
#include "parallel/group_threads.h"
#include "tests/trainer/checkpoint/state.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/safetensors.h"

namespace sextant::trainer::testing::round_trip_test {
namespace {

struct Case {
  int64_t ranks;
  Cut cut;
};

void PrintTo(const Case& tested, std::ostream* out) {
  *out << tested.ranks << " ranks, cut " << static_cast<int>(tested.cut);
}

class RoundTrip : public TemporaryFolder {
 protected:
  fs::path save(const Case& how, const std::vector<Whole>& state, int64_t step = 100, double seed = 0) {
    fs::path folder = folder_ / "checkpoints";
    parallel::run_ranks(how.ranks, [&](parallel::Group& world) {
      CheckpointWriter writer(folder, world, {});
      writer.begin(header_of(step), cut_state(state, how.cut, world.rank().value(), how.ranks, seed),
                   {{"tokenizer.json", "{\"made\": \"for a test\"}"}});
      EXPECT_TRUE(writer.under_way());
      writer.finish();
      EXPECT_FALSE(writer.under_way());
    });
    return newest_checkpoint(folder).value();
  }
};

class RoundTripCases : public RoundTrip, public ::testing::WithParamInterface<Case> {};

TEST_P(RoundTripCases, LoadsUnderEveryOtherCut) {
  CheckpointReader reader(save(GetParam(), small_state()));
  for (Case loaded : {Case{1, Cut::kNone}, Case{2, Cut::kDim0}, Case{2, Cut::kDim1}, Case{4, Cut::kDim0},
                      Case{4, Cut::kDim1}, Case{3, Cut::kDim1}}) {
    for (int64_t rank = 0; rank < loaded.ranks; ++rank) {
      SCOPED_TRACE(::testing::PrintToString(loaded));
      expect_loads(reader, cut_state(small_state(), loaded.cut, rank, loaded.ranks));
    }
  }
  EXPECT_EQ(reader.verify(), std::vector<std::string>());
}

TEST_P(RoundTripCases, EveryBoxIsWrittenOnceAndEveryByteSummed) {
  fs::path folder = save(GetParam(), small_state());
  Manifest manifest = read_manifest(folder / kManifestName);
  EXPECT_EQ(manifest.world_size(), GetParam().ranks);
  int64_t summed = 0, bytes = 0;
  for (const Manifest::Piece& piece : manifest.pieces()) summed += piece.bytes();
  for (const Manifest::File& file : manifest.files()) {
    EXPECT_EQ(static_cast<int64_t>(fs::file_size(folder / file.name())), file.bytes());
    if (file.name() == "tokenizer.json") continue;
    data::MappedFile mapped(folder / file.name());
    SafetensorsHeader header = parse_safetensors(mapped.bytes(), file.name());
    EXPECT_EQ(header.bytes % 8, 0U);
    bytes += file.bytes() - static_cast<int64_t>(header.bytes);
  }
  int64_t expected = 0;
  for (const Whole& whole : small_state()) expected += static_cast<int64_t>(whole_tensor(whole).nbytes());
  EXPECT_EQ(summed, expected);
  EXPECT_EQ(bytes, expected);
}

TEST_P(RoundTripCases, WeightsHashDependsOnTheWeightsAlone) {
  // By hand: the tensors under weights/ in the order of their names, as fp32.
  std::string bytes;
  std::vector<Whole> state = small_state();
  std::sort(state.begin(), state.end(), [](const Whole& a, const Whole& b) { return a.name < b.name; });
  for (const Whole& whole : state) {
    if (!whole.name.starts_with("weights/")) continue;
    at::Tensor tensor = whole_tensor(whole);
    bytes.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  }
  unsigned char digest[32];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::string expected;
  for (unsigned char byte : digest) expected += fmt::format("{:02x}", byte);

  EXPECT_EQ(CheckpointReader(save(GetParam(), small_state())).weights_sha256(), expected);
  EXPECT_NE(CheckpointReader(save(GetParam(), small_state(), 200, 0.5)).weights_sha256(), expected);
}

TEST_P(RoundTripCases, TheHeaderAndSideFilesComeBack) {
  CheckpointReader reader(save(GetParam(), small_state()));
  const Manifest& manifest = reader.manifest();
  EXPECT_EQ(manifest.step(), 100);
  EXPECT_EQ(manifest.tokens(), 102400);
  EXPECT_EQ(manifest.samples(), 800);
  EXPECT_EQ(manifest.config().run().seed(), 7U);
  EXPECT_EQ(manifest.counters().at("bad_steps"), 2);
  EXPECT_EQ(reader.side_file("tokenizer.json"), "{\"made\": \"for a test\"}");
  expect_error(ErrorKind::kInput, {"holds no file vocabulary.txt"},
               [&] { reader.side_file("vocabulary.txt"); });
  std::map<std::string, std::vector<int64_t>> tensors = reader.tensors();
  EXPECT_EQ(tensors.size(), small_state().size());
  for (const Whole& whole : small_state()) EXPECT_EQ(tensors.at(whole.name), whole.shape);
}

INSTANTIATE_TEST_SUITE_P(Saved, RoundTripCases,
                         ::testing::Values(Case{1, Cut::kNone}, Case{2, Cut::kNone}, Case{2, Cut::kDim0},
                                           Case{2, Cut::kDim1}, Case{4, Cut::kDim0}, Case{4, Cut::kDim1}));

TEST_F(RoundTrip, ReplicasShareTheWriting) {
  std::vector<Whole> state;
  for (int i = 0; i < 8; ++i) state.push_back({fmt::format("weights/{}", i), {64, 64}});
  Manifest manifest = read_manifest(save({4, Cut::kNone}, state) / kManifestName);
  std::map<int, int> pieces_of_file;
  for (const Manifest::Piece& piece : manifest.pieces()) ++pieces_of_file[piece.file()];
  EXPECT_EQ(pieces_of_file.size(), 4U);
  for (const auto& [file, pieces] : pieces_of_file) EXPECT_EQ(pieces, 2) << manifest.files(file).name();
}

TEST_F(RoundTrip, OneTensorInSeveralUnequalBoxesOfOneRank) {
  // As a sharded optimizer holds a flat range: the end of a row, whole rows, the beginning of another.
  parallel::run_ranks(2, [&](parallel::Group& world) {
    at::Tensor whole = at::arange(24, at::kFloat).reshape({4, 6});
    auto box = [&](int64_t row, int64_t rows, int64_t column, int64_t columns) {
      return StateTensor{"weights/x",
                         {4, 6},
                         {{row, column}, {rows, columns}},
                         whole.narrow(0, row, rows).narrow(1, column, columns).contiguous()};
    };
    std::vector<StateTensor> state;
    if (world.rank() == Rank(0))
      state = {box(0, 1, 0, 6), box(1, 1, 0, 2)};
    else
      state = {box(1, 1, 2, 4), box(2, 2, 0, 6), box(0, 0, 0, 0)};
    CheckpointWriter writer(folder_, world, {});
    writer.begin(header_of(1), state, {});
    writer.finish();
  });
  CheckpointReader reader(folder_);
  EXPECT_TRUE(at::equal(reader.read_whole("weights/x"), at::arange(24, at::kFloat).reshape({4, 6})));
}

TEST_F(RoundTrip, ConvertsBetweenFloatingTypesOnly) {
  CheckpointReader reader(save({2, Cut::kDim0}, small_state()));
  Whole embedding{"weights/embedding.weight", {8, 12}};
  StateTensor as_double{embedding.name, {8, 12}, {{0, 0}, {8, 12}}, at::empty({8, 12}, at::kDouble)};
  reader.read(as_double);
  EXPECT_TRUE(at::equal(as_double.tensor, whole_tensor(embedding).to(at::kDouble)));

  Whole moment{"optimizer/second_moment/embedding.weight", {8, 12}, at::kDouble};
  StateTensor as_float{moment.name, {8, 12}, {{0, 0}, {8, 12}}, at::empty({8, 12}, at::kFloat)};
  reader.read(as_float);
  EXPECT_TRUE(at::equal(as_float.tensor, whole_tensor(moment).to(at::kFloat)));

  StateTensor as_integers = as_float;
  as_integers.tensor = at::empty({8, 12}, at::kLong);
  expect_error(ErrorKind::kInput, {moment.name, "F64", "I64"}, [&] { reader.read(as_integers); });
}

TEST_F(RoundTrip, RefusesAnotherModel) {
  CheckpointReader reader(save({1, Cut::kNone}, small_state()));
  StateTensor other{"weights/embedding.weight", {9, 12}, {{0, 0}, {9, 12}}, at::empty({9, 12})};
  expect_error(ErrorKind::kInput, {"weights/embedding.weight", "[8, 12]", "[9, 12]", "model."},
               [&] { reader.read(other); });
  other.name = "weights/embeding.weight";
  expect_error(ErrorKind::kInput, {"holds no tensor weights/embeding.weight"}, [&] { reader.read(other); });
}

TEST_F(RoundTrip, TensorsOfManyBlocksLoadInParts) {
  // 12 MB: three blocks; parts whose edges lie inside blocks, and single columns.
  std::vector<Whole> state{{"weights/large", {1000, 3000}}};
  CheckpointReader reader(save({2, Cut::kDim0}, state));
  at::Tensor whole = whole_tensor(state[0]);
  for (const auto& box : {parallel::Slice{{499, 0}, {3, 3000}}, parallel::Slice{{0, 2999}, {1000, 1}},
                          parallel::Slice{{999, 17}, {1, 1}}, parallel::Slice{{300, 0}, {0, 3000}}}) {
    StateTensor part{"weights/large", {1000, 3000}, box, at::empty(box.shape)};
    reader.read(part);
    EXPECT_TRUE(at::equal(
        part.tensor, whole.narrow(0, box.offset[0], box.shape[0]).narrow(1, box.offset[1], box.shape[1])));
  }
  EXPECT_EQ(reader.weights_sha256(), CheckpointReader(save({1, Cut::kNone}, state, 300)).weights_sha256());
  EXPECT_EQ(reader.manifest().pieces(0).checksums_size(), 2) << "6 MB in blocks of 4 MiB";
}

TEST_F(RoundTrip, RunAndCheckpointsFoldersMeanTheirNewest) {
  save({1, Cut::kNone}, small_state(), 100);
  save({1, Cut::kNone}, small_state(), 20);
  fs::path newest = folder_ / "checkpoints" / "step-00000100";
  EXPECT_EQ(CheckpointReader(folder_).folder(), newest);
  EXPECT_EQ(CheckpointReader(folder_ / "checkpoints").folder(), newest);
  EXPECT_EQ(CheckpointReader(folder_ / "checkpoints/step-00000020/").manifest().step(), 20);
  expect_error(ErrorKind::kInput, {"holds no checkpoint"},
               [&] { CheckpointReader reader(newest.root_path()); });
  expect_error(ErrorKind::kInput, {"is no folder"}, [&] { CheckpointReader reader(folder_ / "elsewhere"); });
}

TEST_F(RoundTrip, TheStateMayChangeOnceBeginReturns) {
  parallel::run_ranks(2, [&](parallel::Group& world) {
    std::vector<StateTensor> state = cut_state(small_state(), Cut::kDim0, world.rank().value(), 2);
    CheckpointWriter writer(folder_, world, {});
    writer.begin(header_of(5), state, {});
    for (StateTensor& tensor : state) tensor.tensor.zero_();
    while (writer.under_way()) writer.poll();
  });
  expect_loads(CheckpointReader(folder_), cut_state(small_state(), Cut::kNone, 0, 1));
}

TEST_F(RoundTrip, ASecondSaveOfAStepReplacesTheFirst) {
  save({1, Cut::kNone}, small_state(), 100, 0);
  CheckpointReader reader(save({2, Cut::kDim1}, small_state(), 100, 3));
  expect_loads(reader, cut_state(small_state(), Cut::kNone, 0, 1, 3));
  EXPECT_EQ(reader.verify(), std::vector<std::string>());
}

}  // namespace
}  // namespace sextant::trainer::testing::round_trip_test
