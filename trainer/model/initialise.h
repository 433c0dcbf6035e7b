#pragma once

#include <cstdint>
#include <vector>

#include "trainer/model/parameter.h"
#include "trainer/optimizer/owned_piece.h"

namespace sextant::trainer {

// Fills every parameter: the number at a global index is a function of (run seed, parameter name, index), so
// every layout, device and precision starts from the same weights (fp64 masters agree with fp32 ones to fp32
// rounding).
void initialise(const ParameterList& parameters, uint64_t run_seed);
// The same of what a rank owns: masters and their values. Those that other ranks own come by
// TrainStep::refresh_values().
void initialise(const std::vector<OwnedPiece>& pieces, uint64_t run_seed);

}  // namespace sextant::trainer
