#include "launch/stored_model.h"

#include <utility>

#include "launch/machine.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/state.h"

namespace sextant::launch {

StoredModel load_model(const std::filesystem::path& folder) {
  trainer::CheckpointReader reader(folder);
  share_out_threads(1);
  at::Device device = best_device();
  const trainer::Run& config = reader.manifest().config();
  trainer::Precision precision = trainer::precision_of(config.numerics().compute());
  auto model = std::make_unique<trainer::Transformer>(config.model(), trainer::NumericsSettings::none,
                                                      precision, device);
  trainer::restore_weights(reader, model->parameters());
  // Nothing is trained here: forward reads the values alone, and bf16 without masters takes a third of the
  // memory.
  for (const auto& parameter : model->parameters()) parameter->master = at::Tensor();
  return {reader.folder(), std::move(model),
          data::Tokenizer::from_json(reader.side_file("tokenizer.json"),
                                     (reader.folder() / "tokenizer.json").string())};
}

}  // namespace sextant::launch
