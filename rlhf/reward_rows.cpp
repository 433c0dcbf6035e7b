#include "rlhf/reward_rows.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/chat/comparison_set.h"
#include "data/chat/known_templates.h"
#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

using Comparisons = std::shared_ptr<const data::ComparisonSet>;

std::vector<std::filesystem::path> paths_of(const google::protobuf::RepeatedPtrField<std::string>& files) {
  return {files.begin(), files.end()};
}

std::unique_ptr<data::Loader> comparison_loader(const Comparisons& set, data::DocumentRange range,
                                                const data::LoaderShape& shape, data::Order order) {
  std::string identity =
      fmt::format("reward rows 1 context {} seed {} comparisons {:016x} {} to {} order {}", shape.context,
                  shape.seed, set->fingerprint(), range.first, range.last, static_cast<int>(order));
  int64_t tokens = 0;
  for (int64_t i = range.first; i < range.last; ++i) {
    for (const auto& answer : set->answers(i)) tokens += static_cast<int64_t>(answer.ids.size());
  }
  std::vector<data::LoaderSource> sources;
  auto rows = std::make_unique<data::ComparisonRows>(set, range, shape.context);
  sources.push_back({"reward.train", 1, "",
                     std::make_unique<data::EpochRows>(std::move(rows), tokens, order,
                                                       RandomKey(shape.seed, "order of comparisons"))});
  return std::make_unique<data::Loader>(
      std::move(sources), shape,
      data::LoaderOrder{data::Boundaries::kReset, order, identity, data::kComparisonColumns});
}

}  // namespace

RewardRows open_reward_rows(const RewardRun& run, const data::Tokenizer& tokenizer,
                            const data::LoaderShape& train, const data::LoaderShape& valid) {
  const RewardSettings& settings = run.reward();
  require(
      settings.valid().empty() || settings.valid_fraction() == 0,
      "reward.valid lists files and reward.valid_fraction is given; held-out comparisons come from one of "
      "them");
  data::ChatTemplate chat(run.chat(), tokenizer, data::brought_template(run.data().tokenizer()));
  auto read = [&](const auto& files) {
    return std::make_shared<const data::ComparisonSet>(
        data::ComparisonSet::of_comparisons(paths_of(files), run.chat(), chat, train.context));
  };
  Comparisons set = read(settings.train());
  data::DocumentRange learned{0, set->size()};
  RewardRows rows;
  rows.text = fmt::format("{}, chat template {}", set->counts().text(train.context),
                          data::ChatSettings::Template_Name(chat.form()));
  if (settings.valid_fraction() > 0) {
    learned = data::split_conversations(set->size(), settings.valid_fraction(), data::Split::kTrain);
    auto rest = data::split_conversations(set->size(), settings.valid_fraction(), data::Split::kValid);
    rows.valid = comparison_loader(set, rest, valid, data::Order::kCorpus);
    rows.text += fmt::format("; {} of them held out", rest.last - rest.first);
  } else if (!settings.valid().empty()) {
    Comparisons other = read(settings.valid());
    rows.valid = comparison_loader(other, {0, other->size()}, valid, data::Order::kCorpus);
    rows.text += fmt::format("; held out: {}", other->counts().text(valid.context));
  }
  data::Order order = run.data().shuffle() ? data::Order::kShuffled : data::Order::kCorpus;
  rows.train = comparison_loader(set, learned, train, order);
  auto shown = std::make_shared<const data::ComparisonSet>(
      settings.demonstrations().empty()
          ? set->best(learned)
          : data::ComparisonSet::of_conversations(paths_of(settings.demonstrations()), run.chat(), chat,
                                                  train.context));
  data::LoaderShape single = valid;
  single.global_batch = single.micro_batch = 1;
  rows.demonstrations = comparison_loader(shown, {0, shown->size()}, single, data::Order::kCorpus);
  return rows;
}

}  // namespace sextant::rlhf
