#include "rlhf/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "parallel/base/error.h"
#include "rlhf/talking_model.h"
#include "trainer/evaluation/shared_prefix_scores.h"

namespace sextant::rlhf {
namespace {

// Softmax, in place.
void to_probabilities(std::vector<double>& logits) {
  double highest = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (double& one : logits) sum += one = std::exp(one - highest);
  for (double& one : logits) one /= sum;
}

}  // namespace

struct Judge::Parts {
  TalkingModel talks;
  trainer::Passes passes;
  trainer::KeptPrefix kept;  // nothing: what things begin with is short

  explicit Parts(TalkingModel model) : talks(std::move(model)), passes(*talks.model) {}
};

Judge::Judge(const std::filesystem::path& checkpoint, at::Device device)
    : parts_(std::make_unique<Parts>(talking_model(checkpoint, data::ChatSettings(), device))) {}

Judge::~Judge() = default;

int32_t Judge::token_of(const std::string& letter) const {
  std::vector<int32_t> ids = parts_->talks.form->answer(letter);  // with the end of the turn
  if (ids.size() != 2) {
    fail_input(
        fmt::format("the option '{}' is {} tokens of the judge {}, but its probability is read at one; "
                    "give a letter that is a single token",
                    letter, ids.size() - std::min<size_t>(ids.size(), 1), parts_->talks.folder.string()));
  }
  return ids[0];
}

std::vector<std::vector<LetterProbabilities>> Judge::choose(
    const std::vector<std::vector<LetteredQuestion>>& about) const {
  int64_t context = parts_->talks.model->settings().context();
  std::vector<trainer::TextsOfItem> items;
  std::vector<std::vector<LetterProbabilities>> all;
  for (const auto& questions : about) {
    trainer::TextsOfItem texts;
    all.emplace_back();
    for (const LetteredQuestion& question : questions) {
      std::vector<int32_t> ids = parts_->talks.form->prompt({{data::Role::kUser, question.text}});
      all.back().emplace_back();
      if (std::ssize(ids) > context) continue;
      all.back().back().emplace(question.letters.size());
      for (int32_t letter : question.letters) {
        texts.push_back({ids, ids.size()});
        texts.back().ids.push_back(letter);
      }
    }
    if (!texts.empty()) items.push_back(std::move(texts));
  }
  auto scores = trainer::score_items(parts_->passes, items, parts_->kept);
  auto item = scores.begin();
  for (auto& answers : all) {
    size_t next = 0;
    for (LetterProbabilities& letters : answers) {
      if (!letters) continue;
      for (double& letter : *letters) letter = (*item)[next++].sum();
      to_probabilities(*letters);
    }
    if (next > 0) ++item;
  }
  return all;
}

}  // namespace sextant::rlhf
