#include "rlhf/dpo_rows.h"

#include <ATen/ATen.h>

#include "data/chat/chat_template.h"
#include "data/chat/known_templates.h"
#include "parallel/base/error.h"
#include "rlhf/compared_answers.h"
#include "rlhf/preference_loss.h"
#include "rlhf/shared_rows.h"
#include "trainer/evaluation.h"

namespace sextant::rlhf {
namespace {

using Numbers = std::shared_ptr<data::AnswerNumbers>;

std::unique_ptr<data::Loader> preference_loader(const ComparedPart& part, const Numbers& numbers,
                                                const data::LoaderShape& shape, data::Order order) {
  auto rows = std::make_unique<data::PreferenceRows>(part.set, numbers, part.range, shape.context);
  return comparison_loader(std::move(rows), part, shape, order, data::kPreferenceColumns);
}

ReferenceAnswers all_of(const Comparisons& set, const Numbers& numbers, const data::LoaderShape& shape) {
  ReferenceAnswers answers{
      numbers, preference_loader({set, {0, set->size()}}, numbers, shape, data::Order::kCorpus), 0};
  answers.microbatches = (answers.rows->rows_per_epoch() + shape.micro_batch - 1) / shape.micro_batch;
  return answers;
}

// The log-probability of each answer, by its index.
std::vector<double> measured(const trainer::Assembly& assembly, int64_t chunk,
                             const ReferenceAnswers& answers, parallel::Group& world) {
  auto count = static_cast<size_t>(answers.numbers->size());
  std::vector<double> sums(2 * count);  // and how often each was met
  bool counts = speaks_for_all(assembly.model());
  auto listen = [&](const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows) {
    AnswerSums found = answer_sums(model, hidden, rows, chunk);
    at::Tensor number = found.sums.to(at::kCPU).contiguous(), index = found.index.to(at::kCPU).contiguous();
    for (int64_t i = 0; counts && i < number.numel(); ++i) {
      auto at = static_cast<size_t>(index.const_data_ptr<int64_t>()[i]);
      expect(at < count, "an answer has its index");
      sums[at] += number.const_data_ptr<double>()[i];
      sums[count + at] += 1;
    }
    return trainer::LossSum{hidden.sum() * 0, found.sums.sum()};
  };
  trainer::held_out_loss(assembly.passes(), *answers.rows, answers.microbatches, listen,
                         assembly.mesh().data(), world);
  sums = parallel::reduce_numbers(world, sums);
  for (size_t i = 0; i < count; ++i) {
    expect(sums[count + i] > 0, "every answer is met");
    sums[i] /= sums[count + i];
  }
  sums.resize(count);
  return sums;
}

}  // namespace

DpoRows open_dpo_rows(const DpoRun& run, const data::Tokenizer& tokenizer, const data::LoaderShape& train,
                      const data::LoaderShape& valid) {
  const DpoSettings& settings = run.dpo();
  data::ChatTemplate chat(run.chat(), tokenizer, data::brought_template(run.data().tokenizer()));
  ComparisonFiles files{"dpo",
                        {settings.train().begin(), settings.train().end()},
                        {settings.valid().begin(), settings.valid().end()},
                        settings.valid_fraction()};
  ComparedAnswers answers = read_compared_answers(files, run.chat(), chat, train.context);
  DpoRows rows;
  rows.text = answers.text;
  auto numbers = std::make_shared<data::AnswerNumbers>(*answers.learned.set);
  data::Order order = run.data().shuffle() ? data::Order::kShuffled : data::Order::kCorpus;
  rows.train = preference_loader(answers.learned, numbers, train, order);
  rows.references.push_back(all_of(answers.learned.set, numbers, valid));
  if (answers.held_out.set == nullptr) return rows;
  if (answers.held_out.set != answers.learned.set) {
    numbers = std::make_shared<data::AnswerNumbers>(*answers.held_out.set);
    rows.references.push_back(all_of(answers.held_out.set, numbers, valid));
  }
  rows.valid = preference_loader(answers.held_out, numbers, valid, data::Order::kCorpus);
  return rows;
}

void measure_reference(const trainer::Assembly& assembly, int64_t chunk,
                       std::vector<ReferenceAnswers>& references, parallel::Group& world) {
  for (ReferenceAnswers& answers : references) {
    std::vector<double> numbers = measured(assembly, chunk, answers, world);
    answers.rows.reset();  // which read the numbers in the background
    answers.numbers->fill(numbers);
  }
}

}  // namespace sextant::rlhf
