#include "trainer/optimizer/optimizer.h"

#include "parallel/base/error.h"
#include "trainer/optimizer/adafactor.h"
#include "trainer/optimizer/adamw.h"
#include "trainer/optimizer/muon.h"

namespace sextant::trainer {

std::unique_ptr<Optimizer> make_optimizer(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces,
                                          parallel::Group* tensor) {
  switch (settings.kind()) {
    case OptimizerSettings::adamw:
      return std::make_unique<AdamW>(settings, std::move(pieces));
    case OptimizerSettings::muon:
      return std::make_unique<Muon>(settings, pieces, tensor);
    case OptimizerSettings::adafactor:
      return std::make_unique<Adafactor>(settings, std::move(pieces), tensor);
  }
  expect(false, "every kind of optimizer is made here");
  return nullptr;
}

}  // namespace sextant::trainer
