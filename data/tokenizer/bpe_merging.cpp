#include "data/tokenizer/bpe_merging.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "data/tokenizer/pair_table.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

using Place = uint32_t;

// All distinct pieces in one row of places, a token each, one empty place behind each piece. A merge leaves
// its token at the left place and lengthens the step to the next one. Every pair knows the places where it
// stood, so that a merge touches only those.
class Merging {
 public:
  explicit Merging(const PieceCounts& pieces) {
    uint64_t places = pieces.distinct_bytes() + pieces.distinct() + 1;
    if (places > UINT32_MAX) {
      fail_input(fmt::format(
          "the corpus has {} bytes of distinct words, more than the {} that training holds at once; "
          "train on a sample of it",
          places, UINT32_MAX));
    }
    lay_out(pieces, places);
    for (Place at = 1; at + 1 < row_.size(); ++at) {
      const Spot& spot = row_[at];
      const Spot& right = row_[at + 1];
      if (spot.token != kNone && right.token != kNone) note(at, spot.token, right.token, spot.weight);
    }
    queue_new_pairs();
  }

  // Makes the most frequent pair `result`; false when there is none.
  bool merge_once(int32_t result, Merge& merge) {
    while (!queue_.empty()) {
      Candidate top = queue_.top();
      queue_.pop();
      Pair& pair = pairs_[top.pair];
      if (pair.count <= 0) continue;
      if (pair.count != top.count) {
        // Merges since have taken some of it away: it goes back to where it belongs now.
        top.count = pair.count;
        queue_.push(top);
        continue;
      }
      merge = {top.left, top.right, result};
      replace(std::exchange(pair.places, {}), merge);
      pairs_[top.pair].count = 0;
      queue_new_pairs();
      return true;
    }
    return false;
  }

 private:
  static constexpr int32_t kNone = -1;

  // A place's own, side by side: merges jump all over the row, and each jump is a cache miss.
  struct Spot {
    int64_t weight;  // how often the piece occurs
    int32_t token;
    Place previous, next;
  };
  struct Pair {
    int32_t left, right;
    int64_t count;
    std::vector<Place> places;  // ascending
  };
  struct Candidate {
    int64_t count;
    int32_t left, right;
    uint32_t pair;
    bool operator<(const Candidate& other) const {
      if (count != other.count) return count < other.count;
      if (left != other.left) return left > other.left;
      return right > other.right;
    }
  };

  void lay_out(const PieceCounts& pieces, uint64_t places) {
    row_.reserve(places);
    auto put = [&](int32_t token, int64_t weight) {
      auto at = static_cast<Place>(row_.size());
      row_.push_back({weight, token, at - 1, at + 1});
    };
    put(kNone, 0);
    pieces.each([&](std::string_view piece, int64_t count) {
      for (char byte : piece) put(static_cast<uint8_t>(byte), count);
      put(kNone, 0);
    });
  }

  // One more place of a pair.
  void note(Place at, int32_t left, int32_t right, int64_t weight) {
    auto fresh = static_cast<uint32_t>(pairs_.size());
    auto [index, inserted] = index_.insert(left, right, fresh);
    if (inserted) {
      pairs_.push_back({left, right, 0, {}});
      new_pairs_.push_back(index);
    }
    pairs_[index].count += weight;
    pairs_[index].places.push_back(at);
  }

  void take_away(int32_t left, int32_t right, int64_t weight) {
    pairs_[*index_.find(left, right)].count -= weight;
  }

  // A pair gets new places only during the merge that makes one of its tokens: counts only fall afterwards,
  // and its places are in order as that merge went from left to right.
  void queue_new_pairs() {
    for (uint32_t index : new_pairs_) {
      const Pair& pair = pairs_[index];
      if (pair.count > 0) queue_.push({pair.count, pair.left, pair.right, index});
    }
    new_pairs_.clear();
  }

  // From left to right, so that of overlapping places ("aaa") the first wins.
  void replace(const std::vector<Place>& places, const Merge& merge) {
    for (Place at : places) {
      Spot& spot = row_[at];
      Spot& right = row_[spot.next];
      if (spot.token != merge.left || right.token != merge.right) continue;
      const Spot& before = row_[spot.previous];
      Spot& beyond = row_[right.next];
      if (before.token != kNone) {
        take_away(before.token, merge.left, spot.weight);
        note(spot.previous, before.token, merge.result, spot.weight);
      }
      if (beyond.token != kNone) {
        take_away(merge.right, beyond.token, spot.weight);
        note(at, merge.result, beyond.token, spot.weight);
      }
      spot.token = merge.result;
      right.token = kNone;
      spot.next = right.next;
      beyond.previous = at;
    }
  }

  std::vector<Spot> row_;
  PairTable<uint32_t> index_;
  std::vector<Pair> pairs_;
  std::vector<uint32_t> new_pairs_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

std::vector<Merge> find_merges(const PieceCounts& pieces, int32_t wanted,
                               const std::function<void(int32_t)>& each) {
  std::vector<Merge> merges;
  Merging merging(pieces);
  Merge merge{};
  while (static_cast<int32_t>(merges.size()) < wanted &&
         merging.merge_once(256 + static_cast<int32_t>(merges.size()), merge)) {
    merges.push_back(merge);
    each(static_cast<int32_t>(merges.size()));
  }
  return merges;
}

}  // namespace sextant::data
