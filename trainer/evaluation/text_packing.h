#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "trainer/evaluation/scored_text.h"
#include "trainer/kernels/branch.h"

namespace sextant::trainer {

// Texts that are compared with each other, such as a question with each of its options.
using TextsOfItem = std::vector<ScoredText>;

// How many ids at an item's front are read on their own: those that all its texts mark as kept, unless they
// are few.
int64_t kept_length(const TextsOfItem& texts);

// Texts as one row of tokens without padding, each branching off where it differs from those before, so that
// what texts begin with is read once.
struct PackedRow {
  std::vector<int64_t> tokens, positions;
  std::vector<Branch> branches;
  // Tokens whose channels ids are measured by: places in `tokens`, none of them twice.
  std::vector<int64_t> measured_at;
  // The measured ids, text by text: each with its place in measured_at.
  std::vector<int64_t> rows, targets;
};

// Texts with `kept` ids in front of all of them, which are not read here; nor is the last id of a text, which
// is only measured. Borrows the texts.
class TextPacking {
 public:
  explicit TextPacking(int64_t kept) : kept_(kept) {}

  void add(const TextsOfItem& texts);
  // Tokens to read.
  int64_t size() const { return std::ssize(nodes_); }
  PackedRow row() const;

 private:
  struct Node {
    int64_t id, position, parent;
    std::vector<int64_t> children;
  };
  int64_t kept_;
  std::vector<Node> nodes_;
  std::vector<int64_t> roots_;
  std::map<std::pair<int64_t, int64_t>, int64_t> child_;  // of a node (-1: none) and an id
  std::vector<const ScoredText*> texts_;
  std::vector<std::vector<int64_t>> paths_;  // of each text, its nodes

  int64_t child_of(int64_t parent, int64_t id, int64_t position);
};

}  // namespace sextant::trainer
