#pragma once

#include <filesystem>
#include <memory>

#include "trainer/checkpoint/checkpoint.h"
#include "trainer/model/transformer.h"
#include "trainer/state.h"

// Models out of checkpoints that were imported, as generate and score would open them.
namespace sextant::testing_harness {

inline std::unique_ptr<trainer::Transformer> open_model(const std::filesystem::path& checkpoint) {
  trainer::CheckpointReader reader(checkpoint);
  auto model = std::make_unique<trainer::Transformer>(
      reader.manifest().config().model(), trainer::NumericsSettings::none,
      trainer::Precision{at::kFloat, at::kFloat}, at::Device(at::kCPU));
  trainer::restore_weights(reader, model->parameters());
  return model;
}

// Logits of the last `count` of the ids, [count, V].
inline at::Tensor last_logits(const trainer::Transformer& model, const std::vector<int64_t>& ids,
                              int64_t count) {
  at::NoGradGuard no_gradient;
  at::Tensor tokens = at::tensor(ids, at::kLong).unsqueeze(0);
  at::Tensor positions = at::arange(tokens.size(1), at::kLong).unsqueeze(0);
  at::Tensor hidden = model.forward(tokens, positions, at::Tensor())[0];
  return model.logits(hidden.narrow(0, tokens.size(1) - count, count));
}

}  // namespace sextant::testing_harness
