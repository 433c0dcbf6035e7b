#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sextant::rlhf {

// Shares of one class: of what was called so, how much is; of what is so, how much was called so; and their
// harmonic mean 2 TP / (2 TP + FP + FN). 0 where nothing can be said.
struct ClassScores {
  double precision = 0, recall = 0, f1 = 0;
  int64_t support = 0;  // items of the class
};

// What a classifier called items of each class.
class Confusion {
 public:
  static constexpr size_t kNothing = SIZE_MAX;  // it gave no answer

  explicit Confusion(size_t classes) : classes_(classes), counts_(classes * (classes + 1)) {}

  void add(size_t truth, size_t called);
  int64_t items() const;
  // Items of class `truth` that were called `called`.
  int64_t count(size_t truth, size_t called) const;
  double accuracy() const;
  // The share of the largest class: what calling everything that would reach.
  double largest_share() const;
  ClassScores scores(size_t which) const;
  // The mean of the F1 of the classes that items or calls are of.
  double macro_f1() const;

 private:
  size_t classes_;
  std::vector<int64_t> counts_;  // [truth][called], "nothing" last
};

// The chance that an item that is true has a higher score than one that is not, ties half: the area under the
// ROC curve (Mann and Whitney's U). 0.5 where all are true or none is.
double area_under_curve(const std::vector<double>& scores, const std::vector<bool>& truths);

}  // namespace sextant::rlhf
