#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "trainer/evaluation/records.h"

namespace sextant::trainer {

// Two evaluations of the same items, item by item: a list of {"task", "metric", "a", "b", "difference",
// "stderr", "low", "high", "better", "worse", "n", "sign_p", "normal_p", "correlation"}, difference b - a. A
// metric is a grade that both have for every item that both have; log_likelihood of documents is told per
// token. `resamples` and `seed` are of the bootstrap interval of the difference. Throws Error(kInput) when
// they share no item, or an item's right answers differ.
nlohmann::ordered_json compare_records(const RecordMap& a, const RecordMap& b, int64_t resamples,
                                       uint64_t seed);

// The same as a table for a terminal.
std::string comparison_table(const nlohmann::ordered_json& comparison);

}  // namespace sextant::trainer
