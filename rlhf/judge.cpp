#include "rlhf/judge.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "rlhf/talking_model.h"

namespace sextant::rlhf {

struct Judge::Parts {
  TalkingModel talks;
};

Judge::Judge(const std::filesystem::path& checkpoint, at::Device device)
    : parts_(std::make_unique<Parts>(Parts{talking_model(checkpoint, data::ChatSettings(), device)})) {}

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

std::optional<std::vector<double>> Judge::choose(const std::string& question,
                                                 const std::vector<int32_t>& letters) const {
  c10::InferenceMode inference;
  const trainer::Transformer& model = *parts_->talks.model;
  std::vector<int32_t> ids = parts_->talks.form->prompt({{data::Role::kUser, question}});
  auto length = static_cast<int64_t>(ids.size());
  if (length > model.settings().context()) return std::nullopt;
  auto device = model.parameters().device();
  at::Tensor tokens =
      at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong).to(device).unsqueeze(0);  // [1, T]
  at::Tensor positions = at::arange(length, tokens.options()).unsqueeze(0);
  at::Tensor last = model.forward(tokens, positions, at::Tensor()).select(1, length - 1);  // [1, C]
  at::Tensor chosen = at::tensor(std::vector<int64_t>(letters.begin(), letters.end()), at::kLong).to(device);
  at::Tensor probabilities =
      at::softmax(model.logits(last)[0].index_select(0, chosen).to(at::kDouble), 0).to(at::kCPU);
  return std::vector<double>(probabilities.data_ptr<double>(),
                             probabilities.data_ptr<double>() + probabilities.numel());
}

}  // namespace sextant::rlhf
