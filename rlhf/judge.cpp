#include "rlhf/judge.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "data/chat/chat_template.h"
#include "data/chat/known_templates.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/model/transformer.h"
#include "trainer/state.h"

namespace sextant::rlhf {
namespace {

constexpr const char* kTokenizerConfig = "tokenizer_config.json";

std::string template_in(const trainer::CheckpointReader& reader) {
  const auto& files = reader.manifest().files();
  bool kept = std::any_of(files.begin(), files.end(),
                          [](const auto& file) { return file.name() == kTokenizerConfig; });
  if (!kept) return "";
  return data::template_of_config(reader.side_file(kTokenizerConfig),
                                  (reader.folder() / kTokenizerConfig).string());
}

}  // namespace

struct Judge::Parts {
  std::filesystem::path folder;
  std::unique_ptr<trainer::Transformer> model;
  std::optional<data::Tokenizer> tokenizer;
  std::optional<data::ChatTemplate> form;
};

Judge::Judge(const std::filesystem::path& checkpoint, at::Device device) : parts_(std::make_unique<Parts>()) {
  trainer::CheckpointReader reader(checkpoint);
  parts_->folder = reader.folder();
  const trainer::Run& config = reader.manifest().config();
  require(config.model().head() != trainer::ModelSettings::scalar,
          fmt::format("{}: a reward model can not be a judge, which answers in words; give a model of text",
                      parts_->folder.string()));
  parts_->model =
      std::make_unique<trainer::Transformer>(config.model(), trainer::NumericsSettings::none,
                                             trainer::precision_of(config.numerics().compute()), device);
  trainer::restore_weights(reader, parts_->model->parameters());
  for (const auto& parameter : parts_->model->parameters()) parameter->master = at::Tensor();
  parts_->tokenizer.emplace(data::Tokenizer::from_json(reader.side_file("tokenizer.json"),
                                                       (parts_->folder / "tokenizer.json").string()));
  parts_->form.emplace(data::ChatSettings(), *parts_->tokenizer, template_in(reader));
}

Judge::~Judge() = default;

int32_t Judge::token_of(const std::string& letter) const {
  std::vector<int32_t> ids = parts_->form->answer(letter);  // with the end of the turn
  if (ids.size() != 2) {
    fail_input(
        fmt::format("the option '{}' is {} tokens of the judge {}, but its probability is read at one; "
                    "give a letter that is a single token",
                    letter, ids.size() - std::min<size_t>(ids.size(), 1), parts_->folder.string()));
  }
  return ids[0];
}

std::optional<std::vector<double>> Judge::choose(const std::string& question,
                                                 const std::vector<int32_t>& letters) const {
  c10::InferenceMode inference;
  const trainer::Transformer& model = *parts_->model;
  std::vector<int32_t> ids = parts_->form->prompt({{data::Role::kUser, question}});
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
