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
    uint64_t places = pieces.distinct_bytes() + pieces.counts().size() + 1;
    if (places > UINT32_MAX) {
      fail_input(fmt::format(
          "the corpus has {} bytes of distinct words, more than the {} that training holds at once; "
          "train on a sample of it",
          places, UINT32_MAX));
    }
    lay_out(pieces, places);
    for (Place at = 1; at + 1 < tokens_.size(); ++at) {
      if (tokens_[at] != kNone && tokens_[at + 1] != kNone)
        note(at, tokens_[at], tokens_[at + 1], weights_[at]);
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

  struct Pair {
    int32_t left, right;
    int64_t count;
    std::vector<Place> places;
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
    tokens_.reserve(places);
    weights_.reserve(places);
    tokens_.push_back(kNone);
    weights_.push_back(0);
    for (const auto& [piece, count] : pieces.counts()) {
      for (char byte : piece) {
        tokens_.push_back(static_cast<uint8_t>(byte));
        weights_.push_back(count);
      }
      tokens_.push_back(kNone);
      weights_.push_back(0);
    }
    previous_.resize(tokens_.size());
    next_.resize(tokens_.size());
    for (Place at = 0; at < tokens_.size(); ++at) {
      previous_[at] = at - 1;
      next_[at] = at + 1;
    }
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

  // A pair gets new places only during the merge that makes one of its tokens: counts only fall afterwards.
  void queue_new_pairs() {
    for (uint32_t index : new_pairs_) {
      const Pair& pair = pairs_[index];
      if (pair.count > 0) queue_.push({pair.count, pair.left, pair.right, index});
    }
    new_pairs_.clear();
  }

  // From left to right, so that of overlapping places ("aaa") the first wins.
  void replace(std::vector<Place> places, const Merge& merge) {
    std::sort(places.begin(), places.end());
    for (Place at : places) {
      Place right = next_[at];
      if (tokens_[at] != merge.left || tokens_[right] != merge.right) continue;
      int64_t weight = weights_[at];
      Place before = previous_[at], beyond = next_[right];
      if (tokens_[before] != kNone) {
        take_away(tokens_[before], merge.left, weight);
        note(before, tokens_[before], merge.result, weight);
      }
      if (tokens_[beyond] != kNone) {
        take_away(merge.right, tokens_[beyond], weight);
        note(at, merge.result, tokens_[beyond], weight);
      }
      tokens_[at] = merge.result;
      tokens_[right] = kNone;
      next_[at] = beyond;
      previous_[beyond] = at;
    }
  }

  std::vector<int32_t> tokens_;
  std::vector<int64_t> weights_;  // how often the piece of a place occurs
  std::vector<Place> previous_, next_;
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
