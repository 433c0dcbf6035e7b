#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/contamination/scores.h"
#include "data/contamination/search.h"

namespace sextant::data {

// All that a search for evals in training text says.
struct ContaminationReport {
  std::vector<std::string> evals;    // files, as items' `file` counts them
  std::vector<std::string> sources;  // of training text, as places' `source` counts them
  NeedleSettings settings;
  std::vector<EvalItem> items;
  SearchResult result;  // of these items
  std::optional<ContaminationScores> scores;

  std::vector<bool> contaminated() const;
  int64_t count() const;                   // of contaminated items
  int64_t count(Overlap overlap) const;    // of those found by this kind of needle
  int64_t without(Overlap overlap) const;  // of items that have none of this kind
};

// For people: shares, speed, scores, and the first `most` contaminated items with a place of each.
std::string contamination_text(const ContaminationReport& report, size_t most);

// All of it as JSON (docs/contamination.md); bytes that are no UTF-8 are replaced.
std::string contamination_json(const ContaminationReport& report);

}  // namespace sextant::data
