#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/chat/comparison_set.h"
#include "data/held_out.h"
#include "data/loader.h"

namespace sextant::rlhf {

using Comparisons = std::shared_ptr<const data::ComparisonSet>;

// Some of the comparisons of a set.
struct ComparedPart {
  Comparisons set;
  data::DocumentRange range{0, 0};
};

// What a run learns from comparisons, and what it holds out.
struct ComparedAnswers {
  ComparedPart learned;
  ComparedPart held_out;  // no set: none
  std::string text;       // what was read and left out, in a line or two
};

// Where they come from: the keys of `section` in a run's file.
struct ComparisonFiles {
  std::string section;
  std::vector<std::filesystem::path> train, valid;
  double valid_fraction = 0;
};

// Reads them. `longest`: see ComparisonSet. No collectives. Throws Error(kInput) as the settings say.
ComparedAnswers read_compared_answers(const ComparisonFiles& files, const data::ChatSettings& settings,
                                      const data::ChatTemplate& chat, int64_t longest);

// Batches of packed comparisons. `rows` are made of the part.
std::unique_ptr<data::Loader> comparison_loader(std::unique_ptr<data::Rows> rows, const ComparedPart& part,
                                                const data::LoaderShape& shape, data::Order order,
                                                size_t columns);

}  // namespace sextant::rlhf
