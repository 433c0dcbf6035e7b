#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sextant::data {

// The mean of grades, with its standard error (0 below two items).
struct MeanScore {
  int64_t items = 0;
  double mean = 0, standard_error = 0;
};

// A benchmark's score with and without the items that stand in training text.
struct ContaminationScores {
  std::string metric;  // "" where grades have no names
  MeanScore all, clean, contaminated;
  // The one to tell: of all items, unless leaving the contaminated ones out makes it lower (GPT-4 technical
  // report, appendix C). Without clean items there is only one.
  bool clean_is_lower() const { return clean.items > 0 && clean.mean < all.mean; }
};

// From a samples.jsonl: a record a line, with an item's `index` from 0 and its `grade`: a number, true or
// false, or an object of these by metric, of which `metric` is taken; "" takes the first. Records of other
// tasks than `task` are passed over; "" takes all. Several records of an item are averaged. `contaminated`
// has an entry for each item. Throws Error(kInput) naming file and line where a record has no index or grade,
// or an index beyond the items; and where no record is left.
ContaminationScores read_scores(const std::filesystem::path& samples, const std::string& task,
                                const std::string& metric, const std::vector<bool>& contaminated);

}  // namespace sextant::data
