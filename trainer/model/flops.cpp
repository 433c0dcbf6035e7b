#include "trainer/model/flops.h"

#include "trainer/model/model_rules.h"

namespace sextant::trainer {

int64_t matrix_weights(const ModelSettings& settings) {
  int64_t width = settings.width();
  int64_t attention = width * head_width(settings) * (2 * settings.heads() + 2 * settings.kv_heads());
  int64_t matrices = settings.kind() == ModelSettings::llama ? 3 : 2;
  int64_t feed_forward = matrices * width * settings.ffn_width();
  const ExpertSettings& experts = settings.experts();
  int64_t mixed = expert_layers(settings);
  int64_t chosen = width * (matrices * expert_width(settings) * (experts.per_token() + experts.shared()) +
                            experts.count());
  return settings.layers() * attention + (settings.layers() - mixed) * feed_forward + mixed * chosen +
         width * (settings.head() == ModelSettings::scalar ? 1 : int64_t{settings.vocabulary()});
}

int64_t idle_weights(const ModelSettings& settings) {
  const ExpertSettings& experts = settings.experts();
  return expert_layers(settings) * (experts.count() - experts.per_token()) * 3 * settings.width() *
         expert_width(settings);
}

double training_flops_per_token(const ModelSettings& settings) {
  double attention = 12.0 * settings.layers() * static_cast<double>(settings.heads() * head_width(settings)) *
                     settings.context();
  return 6.0 * static_cast<double>(matrix_weights(settings)) + attention;
}

}  // namespace sextant::trainer
