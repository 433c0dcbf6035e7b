#include "launch/stored_model.h"

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
  StoredModel stored{reader.folder(),
                     std::make_unique<trainer::Transformer>(config.model(), trainer::NumericsSettings::none,
                                                            precision, device),
                     data::Tokenizer::from_json(reader.side_file("tokenizer.json"),
                                                (reader.folder() / "tokenizer.json").string())};
  trainer::restore_weights(reader, stored.model->parameters());
  // Nothing is trained here: forward reads the values alone, and bf16 without masters takes a third of the
  // memory.
  for (const auto& parameter : stored.model->parameters()) parameter->master = at::Tensor();
  return stored;
}

}  // namespace sextant::launch
