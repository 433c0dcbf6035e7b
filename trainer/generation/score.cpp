#include "trainer/generation/score.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::trainer {

std::vector<double> score(const Transformer& model, const std::vector<int32_t>& ids) {
  at::NoGradGuard no_gradient;
  constexpr int64_t kChunk = 256;  // rows of logits at one time
  for (int32_t id : ids) {
    if (id >= 0 && id < model.settings().vocabulary()) continue;
    fail_input(
        fmt::format("id {} is outside the model's vocabulary of {}; was the tokenizer made for this model?",
                    id, model.settings().vocabulary()));
  }
  auto device = model.parameters().device();
  int64_t context = model.settings().context(), count = static_cast<int64_t>(ids.size());
  at::Tensor all = at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong).to(device);
  std::vector<double> scores;
  int64_t scored = 0;  // predictions made; prediction i is of id i + 1
  while (scored < count - 1) {
    int64_t begin = scored == 0 ? 0 : scored - std::min(scored, context - std::max<int64_t>(1, context / 2));
    int64_t length = std::min(context, count - 1 - begin);
    at::Tensor tokens = all.narrow(0, begin, length).unsqueeze(0);             // [1, T]
    at::Tensor positions = at::arange(length, tokens.options()).unsqueeze(0);  // [1, T]
    at::Tensor hidden = model.forward(tokens, positions, at::Tensor())[0];     // [T, C]
    int64_t skip = scored - begin;
    at::Tensor fresh =
        target_log_probabilities(hidden.narrow(0, skip, length - skip), model.output_weight(),
                                 all.narrow(0, scored + 1, length - skip), kChunk, model.part().tensor);
    fresh = fresh.to(at::kDouble).to(at::kCPU).contiguous();
    scores.insert(scores.end(), fresh.data_ptr<double>(), fresh.data_ptr<double>() + fresh.numel());
    scored += length - skip;
  }
  return scores;
}

}  // namespace sextant::trainer
