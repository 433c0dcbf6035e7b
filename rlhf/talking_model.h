#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "trainer/model/transformer.h"

namespace sextant::rlhf {

// A model of text out of a checkpoint, which reads and answers in turns: whole on this rank, with its own
// tokenizer and a chat template.
struct TalkingModel {
  std::filesystem::path folder;  // the step folder that was read
  std::unique_ptr<trainer::Transformer> model;
  std::unique_ptr<data::Tokenizer> tokenizer;
  std::optional<data::ChatTemplate> form;  // borrows the tokenizer
};

// Reads a run, a step's folder or what `sextant checkpoint import` made. Settings without a template: the one
// that the checkpoint brings, else as ChatTemplate has it. Throws Error(kInput), also for a scalar head.
TalkingModel talking_model(const std::filesystem::path& checkpoint, const data::ChatSettings& settings,
                           at::Device device);

// The same of a reward model, which reads turns and scores them.
TalkingModel scoring_model(const std::filesystem::path& checkpoint, const data::ChatSettings& settings,
                           at::Device device);

}  // namespace sextant::rlhf
