#include "rlhf/compared_answers.h"

#include <fmt/format.h>

#include "parallel/base/error.h"

namespace sextant::rlhf {

ComparedAnswers read_compared_answers(const ComparisonFiles& files, const data::ChatSettings& settings,
                                      const data::ChatTemplate& chat, int64_t longest) {
  require(files.valid.empty() || files.valid_fraction == 0,
          fmt::format("{0}.valid lists files and {0}.valid_fraction is given; held-out comparisons come from "
                      "one of them",
                      files.section));
  auto read = [&](const std::vector<std::filesystem::path>& paths) {
    return std::make_shared<const data::ComparisonSet>(
        data::ComparisonSet::of_comparisons(paths, settings, chat, longest));
  };
  Comparisons set = read(files.train);
  ComparedAnswers found{{set, {0, set->size()}}, {}, ""};
  found.text = fmt::format("{}, chat template {}", set->counts().text(longest),
                           data::ChatSettings::Template_Name(chat.form()));
  if (files.valid_fraction > 0) {
    found.learned.range = data::split_conversations(set->size(), files.valid_fraction, data::Split::kTrain);
    found.held_out = {set, data::split_conversations(set->size(), files.valid_fraction, data::Split::kValid)};
    found.text +=
        fmt::format("; {} of them held out", found.held_out.range.last - found.held_out.range.first);
  } else if (!files.valid.empty()) {
    Comparisons other = read(files.valid);
    found.held_out = {other, {0, other->size()}};
    found.text += fmt::format("; held out: {}", other->counts().text(longest));
  }
  return found;
}

std::unique_ptr<data::Loader> comparison_loader(std::unique_ptr<data::Rows> rows, const ComparedPart& part,
                                                const data::LoaderShape& shape, data::Order order,
                                                size_t columns) {
  std::string identity = fmt::format("reward rows 1 context {} seed {} comparisons {:016x} {} to {} order {}",
                                     shape.context, shape.seed, part.set->fingerprint(), part.range.first,
                                     part.range.last, static_cast<int>(order));
  int64_t tokens = 0;
  for (int64_t i = part.range.first; i < part.range.last; ++i) {
    for (const auto& answer : part.set->answers(i)) tokens += static_cast<int64_t>(answer.ids.size());
  }
  std::vector<data::LoaderSource> sources;
  sources.push_back({"comparisons", 1, "",
                     std::make_unique<data::EpochRows>(std::move(rows), tokens, order,
                                                       RandomKey(shape.seed, "order of comparisons"))});
  return std::make_unique<data::Loader>(
      std::move(sources), shape, data::LoaderOrder{data::Boundaries::kReset, order, identity, columns});
}

}  // namespace sextant::rlhf
