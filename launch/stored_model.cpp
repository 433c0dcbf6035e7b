#include "launch/stored_model.h"

#include <algorithm>
#include <string>
#include <utility>

#include "launch/machine.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/generation/opening_tokens.h"
#include "trainer/generation/stop_tokens.h"
#include "trainer/model/stages.h"
#include "trainer/model/tensor_rules.h"
#include "trainer/state.h"

namespace sextant::launch {
namespace {

constexpr const char* kGenerationConfig = "generation_config.json";
constexpr const char* kTokenizerConfig = "tokenizer_config.json";

// A file that an imported model brought; empty where it brought none.
std::string brought(const trainer::CheckpointReader& reader, const std::string& name) {
  const auto& files = reader.manifest().files();
  bool kept = std::any_of(files.begin(), files.end(), [&](const auto& file) { return file.name() == name; });
  return kept ? reader.side_file(name) : "";
}

// Reads the part of a checkpoint's model that `part` says.
StoredModel load_part(const trainer::CheckpointReader& reader, at::Device device,
                      const trainer::ModelPart& part) {
  const trainer::Run& config = reader.manifest().config();
  trainer::Precision precision = trainer::precision_of(config.numerics().compute());
  auto model = std::make_unique<trainer::Transformer>(config.model(), trainer::NumericsSettings::none,
                                                      precision, device, part);
  trainer::restore_weights(reader, model->parameters());
  // Nothing is trained here: forward reads the values alone, and bf16 without masters takes a third of the
  // memory.
  for (const auto& parameter : model->parameters()) parameter->master = at::Tensor();
  auto tokenizer = data::Tokenizer::from_json(reader.side_file("tokenizer.json"),
                                              (reader.folder() / "tokenizer.json").string());
  auto opening = trainer::opening_tokens(tokenizer, brought(reader, kTokenizerConfig),
                                         (reader.folder() / kTokenizerConfig).string());
  auto stops = trainer::stop_tokens(tokenizer, brought(reader, kGenerationConfig),
                                    (reader.folder() / kGenerationConfig).string());
  return {reader.folder(), std::move(model), std::move(tokenizer), std::move(opening), std::move(stops)};
}

}  // namespace

StoredModel load_model(const std::filesystem::path& folder) {
  share_out_threads(1);
  return load_part(trainer::CheckpointReader(folder), best_device(), {});
}

StoredModel load_model(const std::filesystem::path& folder, at::Device device,
                       const parallel::MeshSettings& settings, const parallel::Mesh& mesh) {
  trainer::CheckpointReader reader(folder);
  const trainer::ModelSettings& model = reader.manifest().config().model();
  std::vector<trainer::Complaint> complaints = trainer::tensor_complaints(model, settings);
  for (trainer::Complaint& one : trainer::stage_complaints(model, settings))
    complaints.push_back(std::move(one));
  trainer::check(complaints, trainer::Origins());
  auto shared = [](parallel::Group& group) { return group.size() > 1 ? &group : nullptr; };
  trainer::ModelPart part;
  part.tensor = shared(mesh.tensor());
  if (mesh.pipeline().size() > 1) part.stages = trainer::stages_of_rank(model, settings, mesh.at().pipeline);
  return load_part(reader, device, part);
}

std::vector<int32_t> prompt_ids(const StoredModel& stored, std::string_view text) {
  std::vector<int32_t> ids = stored.opening_tokens;
  stored.tokenizer.encode(text, ids);
  return ids;
}

}  // namespace sextant::launch
