#include "rlhf/reward_rows.h"

#include "data/chat/chat_template.h"
#include "data/chat/known_templates.h"
#include "rlhf/compared_answers.h"

namespace sextant::rlhf {
namespace {

std::unique_ptr<data::Loader> reward_loader(const ComparedPart& part, const data::LoaderShape& shape,
                                            data::Order order) {
  auto rows = std::make_unique<data::ComparisonRows>(part.set, part.range, shape.context);
  return comparison_loader(std::move(rows), part, shape, order, data::kComparisonColumns);
}

}  // namespace

RewardRows open_reward_rows(const RewardRun& run, const data::Tokenizer& tokenizer,
                            const data::LoaderShape& train, const data::LoaderShape& valid) {
  const RewardSettings& settings = run.reward();
  data::ChatTemplate chat(run.chat(), tokenizer, data::brought_template(run.data().tokenizer()));
  ComparisonFiles files{"reward",
                        {settings.train().begin(), settings.train().end()},
                        {settings.valid().begin(), settings.valid().end()},
                        settings.valid_fraction()};
  ComparedAnswers answers = read_compared_answers(files, run.chat(), chat, train.context);
  RewardRows rows;
  rows.text = answers.text;
  data::Order order = run.data().shuffle() ? data::Order::kShuffled : data::Order::kCorpus;
  rows.train = reward_loader(answers.learned, train, order);
  if (answers.held_out.set != nullptr)
    rows.valid = reward_loader(answers.held_out, valid, data::Order::kCorpus);
  std::vector<std::filesystem::path> shown{settings.demonstrations().begin(),
                                           settings.demonstrations().end()};
  auto demonstrations = std::make_shared<const data::ComparisonSet>(
      shown.empty() ? answers.learned.set->best(answers.learned.range)
                    : data::ComparisonSet::of_conversations(shown, run.chat(), chat, train.context));
  data::LoaderShape single = valid;
  single.global_batch = single.micro_batch = 1;
  rows.demonstrations =
      reward_loader({demonstrations, {0, demonstrations->size()}}, single, data::Order::kCorpus);
  return rows;
}

}  // namespace sextant::rlhf
