#include "rlhf/score_bias.h"

#include <ATen/ATen.h>

#include "rlhf/pairwise_loss.h"
#include "trainer/evaluation.h"

namespace sextant::rlhf {

double centre_scores(const trainer::Assembly& assembly, data::Loader& demonstrations,
                     parallel::Group& world) {
  double mean = trainer::held_out_loss(assembly.passes(), demonstrations, demonstrations.rows_per_epoch(),
                                       score_sum(), assembly.mesh().data(), world);
  for (const trainer::OwnedPiece& piece : assembly.step().pieces()) {
    if (piece.parameter->name == "value_head.bias")
      trainer::set_master(piece, trainer::master_of(piece) - mean);
  }
  assembly.step().refresh_values();
  return mean;
}

}  // namespace sextant::rlhf
