#include "rlhf/talking_model.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "data/chat/known_templates.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/checkpoint.h"
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

TalkingModel model_with(trainer::ModelSettings::Head head, const std::filesystem::path& checkpoint,
                        const data::ChatSettings& settings, at::Device device) {
  trainer::CheckpointReader reader(checkpoint);
  TalkingModel made;
  made.folder = reader.folder();
  const trainer::Run& config = reader.manifest().config();
  bool scores = config.model().head() == trainer::ModelSettings::scalar;
  require(scores == (head == trainer::ModelSettings::scalar),
          fmt::format("{}: {}", made.folder.string(),
                      scores ? "a reward model answers nothing; give a model of text"
                             : "predicts tokens and gives no score; give a model of sextant reward"));
  made.model =
      std::make_unique<trainer::Transformer>(config.model(), trainer::NumericsSettings::none,
                                             trainer::precision_of(config.numerics().compute()), device);
  trainer::restore_weights(reader, made.model->parameters());
  for (const auto& parameter : made.model->parameters()) parameter->master = at::Tensor();
  made.tokenizer = std::make_unique<data::Tokenizer>(data::Tokenizer::from_json(
      reader.side_file("tokenizer.json"), (made.folder / "tokenizer.json").string()));
  made.form.emplace(settings, *made.tokenizer, template_in(reader));
  return made;
}

}  // namespace

TalkingModel talking_model(const std::filesystem::path& checkpoint, const data::ChatSettings& settings,
                           at::Device device) {
  return model_with(trainer::ModelSettings::tokens, checkpoint, settings, device);
}

TalkingModel scoring_model(const std::filesystem::path& checkpoint, const data::ChatSettings& settings,
                           at::Device device) {
  return model_with(trainer::ModelSettings::scalar, checkpoint, settings, device);
}

}  // namespace sextant::rlhf
