#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "data/token_shard_writer.h"
#include "parallel/base/seed.h"
#include "tests/data/scratch_folder.h"
#include "tests/data/shard_bytes.h"

namespace sextant::data::loader_test {
namespace {

// A shard whose ids count up from `first`, so that a row says where it comes from.
std::filesystem::path write_shard(const ScratchFolder& folder, const std::string& name, int32_t first,
                                  int documents, int length) {
  TokenShardWriter writer(folder / name, TokenType::kI32);
  for (int d = 0; d < documents; ++d) {
    std::vector<int32_t> ids(static_cast<size_t>(length));
    std::iota(ids.begin(), ids.end(), first + d * length);
    writer.add_document(ids);
  }
  writer.publish();
  return folder / name;
}

DataSettings settings_of(const std::vector<std::filesystem::path>& train,
                         const std::vector<double>& weights = {}) {
  DataSettings settings;
  for (size_t i = 0; i < train.size(); ++i) {
    ShardSource* source = settings.add_train();
    source->set_prefix(train[i].string());
    if (!weights.empty()) source->set_weight(weights[i]);
  }
  return settings;
}

LoaderShape shape_of(int64_t context, int64_t global_batch) {
  LoaderShape shape;
  shape.context = context;
  shape.global_batch = global_batch;
  shape.micro_batch = 1;
  shape.seed = 11;
  shape.vocabulary = 1000000;
  return shape;
}

bool same(const Batch& a, const Batch& b) {
  return a.rows == b.rows && a.time == b.time && a.tokens == b.tokens && a.targets == b.targets &&
         a.loss_mask == b.loss_mask && a.positions == b.positions && a.documents == b.documents;
}

// The first ids of `steps` steps' rows.
std::vector<int64_t> row_starts(Loader& loader, int64_t steps) {
  std::vector<int64_t> starts;
  for (int64_t step = 0; step < steps; ++step) {
    Batch batch = loader.batch(step);
    for (int64_t row = 0; row < batch.rows; ++row)
      starts.push_back(batch.tokens[static_cast<size_t>(row * batch.time)]);
  }
  return starts;
}

TEST(Loader, GivesBatchesOfTheAskedShape) {
  ScratchFolder folder;
  Loader loader(settings_of({write_shard(folder, "a", 0, 10, 50)}), shape_of(8, 4), Split::kTrain);
  Batch batch = loader.batch(0);
  EXPECT_EQ(batch.rows, 4);
  EXPECT_EQ(batch.time, 8);
  EXPECT_EQ(batch.tokens.size(), 32u);
  for (size_t i = 0; i < batch.tokens.size(); ++i) EXPECT_EQ(batch.targets[i], batch.tokens[i] + 1);
  EXPECT_EQ(loader.tokens(), 500);
  EXPECT_EQ(loader.rows_per_epoch(), 62);
}

TEST(Loader, VisitsEachRowOnceAnEpoch) {
  ScratchFolder folder;
  Loader loader(settings_of({write_shard(folder, "a", 0, 10, 50)}), shape_of(8, 2), Split::kTrain);
  std::vector<int64_t> starts = row_starts(loader, 2 * 31);  // two epochs of 62 rows
  std::vector<int64_t> expected;
  for (int64_t row = 0; row < 62; ++row) expected.push_back(8 * row);
  std::vector<int64_t> first(starts.begin(), starts.begin() + 62), second(starts.begin() + 62, starts.end());
  EXPECT_NE(first, expected);  // shuffled
  EXPECT_NE(first, second);    // anew in each epoch
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, expected);
  EXPECT_EQ(second, expected);
}

TEST(Loader, KeepsTheCorpusOrderWithoutShuffle) {
  ScratchFolder folder;
  DataSettings settings = settings_of({write_shard(folder, "a", 0, 1, 26)});
  settings.set_shuffle(false);
  Loader loader(settings, shape_of(5, 2), Split::kTrain);
  EXPECT_EQ(row_starts(loader, 5), (std::vector<int64_t>{0, 5, 10, 15, 20, 0, 5, 10, 15, 20}));
}

// The promise behind resuming: a step's batch does not depend on what was asked before.
TEST(Loader, ABatchIsAPureFunctionOfItsStep) {
  ScratchFolder folder;
  DataSettings settings =
      settings_of({write_shard(folder, "a", 0, 10, 50), write_shard(folder, "b", 1000, 7, 33)}, {2, 1});
  settings.set_reset_at_documents(true);
  LoaderShape shape = shape_of(8, 6);
  Loader whole(settings, shape, Split::kTrain);
  std::vector<Batch> batches;
  for (int64_t step = 0; step < 40; ++step) batches.push_back(whole.batch(step));
  for (int64_t start : {17, 3, 39, 0}) {
    Loader resumed(settings, shape, Split::kTrain);
    for (int64_t step = start; step < std::min<int64_t>(40, start + 5); ++step) {
      EXPECT_TRUE(same(resumed.batch(step), batches[static_cast<size_t>(step)])) << step;
    }
  }
  for (int64_t step : {30, 2, 2, 31, 0})
    EXPECT_TRUE(same(whole.batch(step), batches[static_cast<size_t>(step)]));
  EXPECT_TRUE(same(whole.batch(100000), whole.batch(100000)));  // far over many epochs
}

TEST(Loader, SlicesTogetherAreTheStep) {
  ScratchFolder folder;
  for (DataSettings::Packing packing : {DataSettings::stream, DataSettings::best_fit}) {
    DataSettings settings =
        settings_of({write_shard(folder, "a", 0, 31, 50), write_shard(folder, "b", 2000, 9, 33)}, {3, 1});
    settings.set_packing(packing);
    settings.set_reset_at_documents(true);
    LoaderShape shape = shape_of(16, 8);
    shape.micro_batch = 2;
    Loader whole(settings, shape, Split::kTrain);
    for (int64_t slices : {1, 2, 4}) {
      for (int64_t slice = 0; slice < slices; ++slice) {
        shape.slices = slices;
        shape.slice = slice;
        Loader part(settings, shape, Split::kTrain);
        EXPECT_EQ(part.fingerprint(), whole.fingerprint());
        for (int64_t step = 0; step < 3; ++step) {
          int64_t rows = 8 / slices;
          EXPECT_TRUE(same(part.batch(step), whole.batch(step).slice(slice * rows, rows)));
        }
      }
    }
  }
}

TEST(Loader, MixesByWeight) {
  ScratchFolder folder;
  // The small corpus is repeated: its share is kept.
  DataSettings settings =
      settings_of({write_shard(folder, "a", 0, 100, 50), write_shard(folder, "b", 100000, 2, 33)}, {3, 1});
  Loader loader(settings, shape_of(8, 100), Split::kTrain);
  std::map<int64_t, int> times;
  int small = 0;
  for (int64_t start : row_starts(loader, 100)) {  // one block of 10,000
    ++times[start];
    small += start >= 100000 ? 1 : 0;
  }
  EXPECT_EQ(small, 2500);
  for (auto [start, count] : times) {
    double epochs = start >= 100000 ? 2500.0 / 8 : 7500.0 / 624;
    EXPECT_NEAR(count, epochs, 1) << start;
  }
}

TEST(Loader, AnotherSeedIsAnotherOrder) {
  ScratchFolder folder;
  DataSettings settings = settings_of({write_shard(folder, "a", 0, 10, 50)});
  LoaderShape shape = shape_of(8, 4), other = shape;
  other.seed = 12;
  Loader one(settings, shape, Split::kTrain), two(settings, other, Split::kTrain);
  EXPECT_NE(row_starts(one, 4), row_starts(two, 4));
  EXPECT_NE(one.fingerprint(), two.fingerprint());
}

TEST(Loader, HoldsOutTheEndInWholeDocuments) {
  ScratchFolder folder;
  DataSettings settings = settings_of({write_shard(folder, "a", 0, 10, 50)});
  settings.set_valid_fraction(0.2);
  Loader train(settings, shape_of(7, 1), Split::kTrain), valid(settings, shape_of(7, 1), Split::kValid);
  EXPECT_EQ(train.tokens(), 400);
  EXPECT_EQ(valid.tokens(), 100);
  EXPECT_EQ(valid.rows_per_epoch(), 14);
  for (int64_t step = 0; step < 57; ++step) {
    Batch batch = train.batch(step);
    EXPECT_LT(*std::max_element(batch.targets.begin(), batch.targets.end()), 400);
  }
  std::vector<int64_t> expected;
  for (int64_t row = 0; row < 20; ++row) expected.push_back(400 + 7 * (row % 14));
  EXPECT_EQ(row_starts(valid, 20), expected);  // in order, and over again
}

TEST(Loader, ReadsHeldOutShards) {
  ScratchFolder folder;
  DataSettings settings = settings_of({write_shard(folder, "a", 0, 10, 50)});
  Loader none(settings, shape_of(7, 1), Split::kValid);
  EXPECT_EQ(none.rows_per_epoch(), 0);
  EXPECT_EQ(none.tokens(), 0);
  EXPECT_THROW(none.batch(0), std::logic_error);
  settings.add_valid()->set_prefix(write_shard(folder, "b", 1000, 2, 11).string());
  Loader valid(settings, shape_of(7, 1), Split::kValid);
  EXPECT_EQ(row_starts(valid, 4), (std::vector<int64_t>{1000, 1007, 1014, 1000}));
  settings.set_valid_fraction(0.1);
  expect_has(message_of([&] { Loader(settings, shape_of(7, 1), Split::kTrain); }),
             "data.valid_fraction is 0.1");
}

TEST(Loader, TheFingerprintFollowsWhatDecidesRows) {
  ScratchFolder folder;
  auto a = write_shard(folder, "a", 0, 10, 50), b = write_shard(folder, "b", 0, 10, 51);
  auto print = [](const DataSettings& settings, const LoaderShape& shape, Split split = Split::kTrain) {
    return Loader(settings, shape, split).fingerprint();
  };
  DataSettings base = settings_of({a});
  LoaderShape shape = shape_of(8, 4);
  std::set<uint64_t> prints{print(base, shape)};
  DataSettings changed = base;
  changed.set_packing(DataSettings::best_fit);
  prints.insert(print(changed, shape));
  changed = base;
  changed.set_shuffle(false);
  prints.insert(print(changed, shape));
  changed = base;
  changed.set_reset_at_documents(true);
  prints.insert(print(changed, shape));
  changed = base;
  changed.set_valid_fraction(0.2);
  prints.insert(print(changed, shape));
  prints.insert(print(changed, shape, Split::kValid));
  prints.insert(print(settings_of({b}), shape));
  prints.insert(print(settings_of({a, b}), shape));
  prints.insert(print(settings_of({b, a}), shape));
  prints.insert(print(settings_of({a, b}, {1, 2}), shape));
  prints.insert(print(base, shape_of(9, 4)));
  EXPECT_EQ(prints.size(), 11u);

  // Where the shard lies and how large a batch is do not matter.
  std::filesystem::create_directory(folder / "moved");
  for (const char* part : {"a.bin", "a.idx"})
    std::filesystem::copy_file(folder / part, folder / "moved" / part);
  EXPECT_EQ(print(settings_of({folder / "moved/a"}), shape_of(8, 32)), print(base, shape));
}

TEST(Loader, RefusesBatchesThatDoNotDivide) {
  ScratchFolder folder;
  DataSettings settings = settings_of({write_shard(folder, "a", 0, 10, 50)});
  LoaderShape shape = shape_of(8, 10);
  shape.micro_batch = 2;
  shape.slices = 4;
  std::string message = message_of([&] { Loader(settings, shape, Split::kTrain); });
  expect_has(message, "run.global_batch 10");
  expect_has(message, "make it a multiple of 8");
  shape.micro_batch = 0;
  expect_has(message_of([&] { Loader(settings, shape, Split::kTrain); }), "run.micro_batch is 0");
}

TEST(Loader, RefusesEmptyAndTinyCorpora) {
  ScratchFolder folder;
  expect_has(message_of([&] { Loader(DataSettings(), shape_of(8, 1), Split::kTrain); }),
             "data.train lists no shard");
  DataSettings empty = settings_of({write_shard(folder, "none", 0, 0, 0)});
  expect_has(message_of([&] { Loader(empty, shape_of(8, 1), Split::kTrain); }), "none: holds no tokens");
  DataSettings tiny = settings_of({write_shard(folder, "tiny", 0, 2, 4)});
  expect_has(message_of([&] { Loader(tiny, shape_of(8, 1), Split::kTrain); }),
             "tiny: 2 documents with 8 tokens do not make a single row of 8 + 1");
  tiny.set_packing(DataSettings::best_fit);  // which pads
  EXPECT_EQ(Loader(tiny, shape_of(8, 1), Split::kTrain).rows_per_epoch(), 1);
  DataSettings split = settings_of({write_shard(folder, "split", 0, 20, 4)});
  split.set_valid_fraction(0.05);
  Loader(split, shape_of(8, 1), Split::kTrain);
  expect_has(message_of([&] { Loader(split, shape_of(8, 1), Split::kValid); }),
             "another data.valid_fraction");
}

TEST(Loader, RefusesAVocabularyThatIsTooSmall) {
  ScratchFolder folder;
  DataSettings settings = settings_of({write_shard(folder, "a", 0, 10, 50)});
  LoaderShape shape = shape_of(8, 1);
  shape.vocabulary = 500;
  Loader(settings, shape, Split::kTrain);
  shape.vocabulary = 400;
  std::string message = message_of([&] { Loader(settings, shape, Split::kTrain); });
  expect_has(message, "a.bin: byte 1600: token 400 is id 400, and the model's ids are 0 to 399");
  std::filesystem::remove(folder / "a.sums");  // as Megatron's tools leave it
  expect_has(message_of([&] { Loader(settings, shape, Split::kTrain); }), "token 400 is id 400");
}

// Damage that is met in the background comes out of the batch that it belongs to.
TEST(Loader, ThrowsWhatWentWrongInTheBackground) {
  ScratchFolder folder;
  DataSettings settings = settings_of({write_shard(folder, "a", 0, 1, 40000)});
  settings.set_shuffle(false);
  std::string bytes = ScratchFolder::read(folder / "a.bin");
  bytes[100000] = static_cast<char>(bytes[100000] ^ 1);  // token 25,000, in the block from token 16,384
  folder.write("a.bin", bytes);
  Loader loader(settings, shape_of(1000, 1), Split::kTrain);
  for (int64_t step = 0; step < 16; ++step) loader.batch(step);
  expect_has(message_of([&] { loader.batch(16); }), "a.bin: byte 65536: ");
  loader.batch(3);  // others still come
}

TEST(Loader, NamesADamagedShard) {
  ScratchFolder folder;
  DataSettings settings = settings_of({write_shard(folder, "a", 0, 10, 50)});
  std::filesystem::resize_file(folder / "a.bin", 1000);
  expect_has(message_of([&] { Loader(settings, shape_of(8, 1), Split::kTrain); }),
             "a.bin: byte 1000: the file ends inside sequence 5, which its index puts at bytes 1000 to 1200");
  settings = settings_of({folder / "missing"});
  expect_has(message_of([&] { Loader(settings, shape_of(8, 1), Split::kTrain); }),
             "missing.idx: no such file");
}

}  // namespace
}  // namespace sextant::data::loader_test
