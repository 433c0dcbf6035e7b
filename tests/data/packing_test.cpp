#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "data/best_fit.h"
#include "data/best_fit_packing.h"
#include "data/held_out.h"
#include "data/stream_packing.h"
#include "data/token_shard_writer.h"
#include "parallel/base/seed.h"
#include "tests/data/scratch_folder.h"

namespace sextant::data::packing_test {
namespace {

constexpr int64_t kAnyVocabulary = 1 << 30;

// Documents of these lengths, whose ids count up from 100.
std::filesystem::path write_documents(const ScratchFolder& folder, const std::vector<int>& lengths) {
  TokenShardWriter writer(folder / "corpus", TokenType::kI32);
  int32_t id = 100;
  for (int length : lengths) {
    std::vector<int32_t> ids(static_cast<size_t>(length));
    std::iota(ids.begin(), ids.end(), id);
    id += length;
    writer.add_document(ids);
  }
  writer.publish();
  return folder / "corpus";
}

Batch all_rows(const Rows& rows, int64_t time, Boundaries boundaries) {
  Batch batch = empty_batch(rows.count(), time, boundaries);
  for (int64_t row = 0; row < rows.count(); ++row) rows.fill(row, slot_of(batch, row));
  return batch;
}

using Ids = std::vector<int64_t>;
using Mask = std::vector<float>;
using Numbers = std::vector<int32_t>;

TEST(StreamPacking, WindowsStepByTheContext) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {3, 7, 4}));
  StreamPacking rows(shard, all_documents(shard), 4, kAnyVocabulary, Boundaries::kIgnore);
  ASSERT_EQ(rows.count(), 3);  // 14 ids: 13 targets, the last is dropped
  Batch batch = all_rows(rows, 4, Boundaries::kIgnore);
  EXPECT_EQ(batch.tokens, (Ids{100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111}));
  EXPECT_EQ(batch.targets, (Ids{101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112}));
  EXPECT_EQ(batch.loss_mask, Mask(12, 1.0f));
  EXPECT_EQ(batch.positions, (Ids{0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT_TRUE(batch.documents.empty());
}

TEST(StreamPacking, ResetsAtDocuments) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {3, 0, 6, 1, 3}));
  StreamPacking rows(shard, all_documents(shard), 4, kAnyVocabulary, Boundaries::kReset);
  ASSERT_EQ(rows.count(), 3);
  Batch batch = all_rows(rows, 4, Boundaries::kReset);
  // Documents: 100-102, 103-108, 109, 110-112. Windows: 100-104, 104-108, 108-112.
  EXPECT_EQ(batch.tokens, (Ids{100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111}));
  EXPECT_EQ(batch.loss_mask, (Mask{1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1}));
  EXPECT_EQ(batch.positions, (Ids{0, 1, 2, 0, 0, 1, 2, 3, 0, 0, 0, 1}));
  EXPECT_EQ(batch.documents, (Numbers{0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 2}));
}

// A document that begins with a row's last target, which is no token of the row.
TEST(StreamPacking, MasksABoundaryAtTheRowsEnd) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {4, 4}));
  StreamPacking rows(shard, all_documents(shard), 4, kAnyVocabulary, Boundaries::kReset);
  ASSERT_EQ(rows.count(), 1);
  Batch batch = all_rows(rows, 4, Boundaries::kReset);
  EXPECT_EQ(batch.loss_mask, (Mask{1, 1, 1, 0}));
  EXPECT_EQ(batch.documents, (Numbers{0, 0, 0, 0}));
}

TEST(StreamPacking, StaysInsideItsDocuments) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {5, 5, 5}));
  StreamPacking rows(shard, {1, 3}, 3, kAnyVocabulary, Boundaries::kIgnore);
  ASSERT_EQ(rows.count(), 3);
  Batch batch = all_rows(rows, 3, Boundaries::kIgnore);
  EXPECT_EQ(batch.tokens.front(), 105);
  EXPECT_EQ(batch.targets.back(), 114);
}

TEST(StreamPacking, TooFewTokensGiveNoRow) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {4}));
  EXPECT_EQ(StreamPacking(shard, all_documents(shard), 4, kAnyVocabulary, Boundaries::kIgnore).count(), 0);
  EXPECT_EQ(StreamPacking(shard, all_documents(shard), 3, kAnyVocabulary, Boundaries::kIgnore).count(), 1);
}

TEST(StreamPacking, RefusesIdsOutsideTheVocabulary) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {20}));
  StreamPacking rows(shard, all_documents(shard), 4, 110, Boundaries::kIgnore);
  Batch batch = empty_batch(1, 4, Boundaries::kIgnore);
  rows.fill(1, slot_of(batch, 0));
  expect_has(message_of([&] { rows.fill(2, slot_of(batch, 0)); }), "token 10 is id 110");
}

// The plain quadratic version of the algorithm.
std::vector<std::vector<int64_t>> slow_best_fit(const std::vector<int32_t>& lengths, int64_t capacity) {
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
  std::vector<int64_t> room;
  std::vector<std::vector<int64_t>> rows;
  for (int64_t piece : order) {
    int64_t best = -1;
    for (size_t r = 0; r < room.size(); ++r) {
      if (room[r] >= lengths[piece] && (best < 0 || room[r] < room[best])) best = static_cast<int64_t>(r);
    }
    if (best < 0) {
      best = static_cast<int64_t>(room.size());
      room.push_back(capacity);
      rows.emplace_back();
    }
    room[best] -= lengths[piece];
    rows[best].push_back(piece);
  }
  return rows;
}

// Rooms of rows, which ties between equally full rows do not change.
std::vector<int64_t> fill_levels(const std::vector<std::vector<int64_t>>& rows,
                                 const std::vector<int32_t>& lengths) {
  std::vector<int64_t> levels;
  for (const auto& row : rows) {
    levels.push_back(std::accumulate(row.begin(), row.end(), int64_t{0},
                                     [&](int64_t sum, int64_t p) { return sum + lengths[p]; }));
  }
  std::sort(levels.begin(), levels.end());
  return levels;
}

TEST(BestFit, EqualsTheSlowVersion) {
  for (uint64_t trial = 0; trial < 30; ++trial) {
    RandomKey key(trial, "lengths");
    constexpr int64_t kCapacity = 65;
    std::vector<int32_t> lengths;
    for (uint64_t i = 0; i < 300; ++i)
      lengths.push_back(static_cast<int32_t>(1 + key.below(kCapacity, 0, i)));
    PackedRows packed = best_fit(lengths, kCapacity);
    std::vector<std::vector<int64_t>> rows;
    std::vector<int> seen(lengths.size(), 0);
    for (size_t r = 0; r + 1 < packed.first.size(); ++r) {
      rows.emplace_back(packed.pieces.begin() + packed.first[r], packed.pieces.begin() + packed.first[r + 1]);
      EXPECT_TRUE(std::is_sorted(rows.back().begin(), rows.back().end()));
      EXPECT_TRUE(r == 0 || rows[r - 1].front() < rows[r].front());
      for (int64_t piece : rows.back()) ++seen[static_cast<size_t>(piece)];
    }
    EXPECT_EQ(seen, std::vector<int>(lengths.size(), 1));
    std::vector<int64_t> levels = fill_levels(rows, lengths);
    EXPECT_LE(levels.back(), kCapacity);
    EXPECT_EQ(levels, fill_levels(slow_best_fit(lengths, kCapacity), lengths));
  }
}

TEST(BestFit, NothingGivesNoRows) {
  PackedRows packed = best_fit({}, 8);
  EXPECT_EQ(packed.first, std::vector<int64_t>{0});
  EXPECT_TRUE(packed.pieces.empty());
}

TEST(BestFitPacking, PlacesDocumentsWholeAndPads) {
  ScratchFolder folder;
  // Rows of 6 ids. 3 + 3 fill one, 5 stands alone with one id of padding, 1 has nothing to predict.
  TokenShard shard(write_documents(folder, {3, 5, 1, 3}));
  BestFitPacking rows(shard, all_documents(shard), 5, kAnyVocabulary, Boundaries::kReset);
  ASSERT_EQ(rows.count(), 2);
  Batch batch = all_rows(rows, 5, Boundaries::kReset);
  EXPECT_EQ(batch.tokens, (Ids{100, 101, 102, 109, 110, 103, 104, 105, 106, 107}));
  EXPECT_EQ(batch.targets, (Ids{101, 102, 109, 110, 111, 104, 105, 106, 107, 0}));
  EXPECT_EQ(batch.loss_mask, (Mask{1, 1, 0, 1, 1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(batch.positions, (Ids{0, 1, 2, 0, 1, 0, 1, 2, 3, 4}));
  EXPECT_EQ(batch.documents, (Numbers{0, 0, 0, 1, 1, 0, 0, 0, 0, 0}));
}

TEST(BestFitPacking, MasksBoundariesAlsoWithoutReset) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {2, 2}));
  BestFitPacking rows(shard, all_documents(shard), 6, kAnyVocabulary, Boundaries::kIgnore);
  ASSERT_EQ(rows.count(), 1);
  Batch batch = all_rows(rows, 6, Boundaries::kIgnore);
  EXPECT_EQ(batch.tokens, (Ids{100, 101, 102, 103, 0, 0}));
  EXPECT_EQ(batch.loss_mask, (Mask{1, 0, 1, 0, 0, 0}));
  EXPECT_EQ(batch.positions, (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_TRUE(batch.documents.empty());
}

TEST(BestFitPacking, PaddingIsADocumentOfItsOwn) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {2, 2}));
  BestFitPacking rows(shard, all_documents(shard), 6, kAnyVocabulary, Boundaries::kReset);
  Batch batch = all_rows(rows, 6, Boundaries::kReset);
  EXPECT_EQ(batch.documents, (Numbers{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(batch.positions, (Ids{0, 1, 0, 1, 0, 1}));
}

// Whatever the lengths: each id but a document's first is a counted target exactly once.
TEST(BestFitPacking, CountsEachTargetOnce) {
  ScratchFolder folder;
  std::vector<int> lengths;
  RandomKey key(5, "lengths");
  for (uint64_t i = 0; i < 200; ++i) lengths.push_back(static_cast<int>(key.below(40, 0, i)));
  lengths.push_back(17);
  lengths.push_back(18);
  lengths.push_back(33);
  TokenShard shard(write_documents(folder, lengths));
  BestFitPacking rows(shard, all_documents(shard), 16, kAnyVocabulary, Boundaries::kReset);
  Batch batch = all_rows(rows, 16, Boundaries::kReset);
  std::vector<int> times(static_cast<size_t>(shard.tokens()), 0);
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    if (batch.loss_mask[i] == 0) continue;
    EXPECT_EQ(batch.targets[i], batch.tokens[i] + 1);  // never across documents that are not neighbours
    ++times[static_cast<size_t>(batch.targets[i] - 100)];
  }
  size_t id = 0;
  for (int length : lengths) {
    for (int i = 0; i < length; ++i, ++id) EXPECT_EQ(times[id], i == 0 ? 0 : 1) << id;
  }
}

TEST(HeldOut, CutsAtTheNearestDocument) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, std::vector<int>(10, 10)));
  auto train = [&](double fraction) { return split_documents(shard, fraction, Split::kTrain); };
  auto valid = [&](double fraction) { return split_documents(shard, fraction, Split::kValid); };
  EXPECT_EQ(train(0.2), (DocumentRange{0, 8}));
  EXPECT_EQ(valid(0.2), (DocumentRange{8, 10}));
  EXPECT_EQ(valid(0.24), (DocumentRange{8, 10}));
  EXPECT_EQ(valid(0.26), (DocumentRange{7, 10}));
  EXPECT_EQ(valid(0.001), (DocumentRange{9, 10}));  // never nothing
  EXPECT_EQ(train(0.001), (DocumentRange{0, 9}));
}

TEST(HeldOut, KeepsADocumentOnEitherSide) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {1, 100}));
  EXPECT_EQ(split_documents(shard, 0.5, Split::kTrain), (DocumentRange{0, 1}));
  EXPECT_EQ(split_documents(shard, 0.5, Split::kValid), (DocumentRange{1, 2}));
}

TEST(HeldOut, OneDocumentCanNotBeSplit) {
  ScratchFolder folder;
  TokenShard shard(write_documents(folder, {100}));
  std::string message = message_of([&] { split_documents(shard, 0.1, Split::kTrain); });
  expect_has(message, "whole documents are held out, and it has 1");
  expect_has(message, "data.valid");
}

}  // namespace
}  // namespace sextant::data::packing_test
