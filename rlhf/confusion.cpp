#include "rlhf/confusion.h"

#include <algorithm>
#include <numeric>

#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void Confusion::add(size_t truth, size_t called) {
  expect(truth < classes_ && (called < classes_ || called == kNothing), "one of the classes");
  ++counts_[truth * (classes_ + 1) + std::min(called, classes_)];
}

int64_t Confusion::items() const {
  return std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
}

int64_t Confusion::count(size_t truth, size_t called) const {
  return counts_[truth * (classes_ + 1) + std::min(called, classes_)];
}

double Confusion::accuracy() const {
  int64_t right = 0;
  for (size_t i = 0; i < classes_; ++i) right += count(i, i);
  return share(right, items());
}

double Confusion::largest_share() const {
  int64_t largest = 0;
  for (size_t i = 0; i < classes_; ++i) largest = std::max(largest, scores(i).support);
  return share(largest, items());
}

ClassScores Confusion::scores(size_t which) const {
  int64_t right = count(which, which), called = 0, support = count(which, kNothing);
  for (size_t i = 0; i < classes_; ++i) {
    called += count(i, which);
    support += count(which, i);
  }
  return {share(right, called), share(right, support), share(2 * right, called + support), support};
}

double Confusion::macro_f1() const {
  double sum = 0;
  int64_t seen = 0;
  for (size_t i = 0; i < classes_; ++i) {
    ClassScores one = scores(i);
    bool called = false;
    for (size_t truth = 0; truth < classes_; ++truth) called = called || count(truth, i) > 0;
    if (one.support == 0 && !called) continue;
    sum += one.f1;
    ++seen;
  }
  return seen == 0 ? 0 : sum / static_cast<double>(seen);
}

double area_under_curve(const std::vector<double>& scores, const std::vector<bool>& truths) {
  expect(scores.size() == truths.size(), "a truth for each score");
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  double ranks = 0, positive = 0;
  for (size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && scores[order[last]] == scores[order[first]]) ++last;
    double rank = (static_cast<double>(first + last) + 1) / 2;  // of equals, the mean; from 1
    for (size_t i = first; i < last; ++i) {
      if (!truths[order[i]]) continue;
      ranks += rank;
      positive += 1;
    }
  }
  double negative = static_cast<double>(scores.size()) - positive;
  if (positive == 0 || negative == 0) return 0.5;
  return (ranks - positive * (positive + 1) / 2) / (positive * negative);
}

}  // namespace sextant::rlhf
