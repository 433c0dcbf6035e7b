#include "trainer/optimizer/optimizer.h"

#include "trainer/optimizer/adamw.h"

namespace sextant::trainer {

std::unique_ptr<Optimizer> make_optimizer(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces) {
  return std::make_unique<AdamW>(settings, std::move(pieces));
}

}  // namespace sextant::trainer
