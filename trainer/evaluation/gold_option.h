#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sextant::trainer {

// Which option an item's `gold` means: by its label where there are labels; else a whole number counts from
// `first`, a letter A to Z from A, true and false are the second and the first of two, and anything else is
// an option's text. Throws Error(kInput) saying what there is.
int64_t gold_option(const std::string& gold, const std::vector<std::string>& options,
                    const std::vector<std::string>& labels, int64_t first);

}  // namespace sextant::trainer
