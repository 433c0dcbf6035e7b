#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sextant::data {

// One item of a benchmark, as far as it may stand in training text.
struct EvalItem {
  int32_t file = 0;   // index into the files
  int64_t index = 0;  // of the item in its file, from 0
  std::string text;   // its fields, one below the other
};

// The items of JSON Lines files (an object a line, empty lines passed over; packed files too). Of each, the
// texts under `fields`, in this order: strings, numbers, and of lists and objects all texts in them; a dotted
// path goes into objects ("choices.text"). Throws Error(kInput) naming file and line where a line is no
// object, has none of the fields or no text in them, and for an empty file.
std::vector<EvalItem> read_eval_items(const std::vector<std::filesystem::path>& files,
                                      const std::vector<std::string>& fields);

}  // namespace sextant::data
