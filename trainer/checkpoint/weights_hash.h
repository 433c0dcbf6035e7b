#pragma once

#include <string>

#include "trainer/checkpoint/checkpoint.h"

namespace sextant::trainer {

// CheckpointReader::weights_sha256. Holds a few megabytes at a time, whatever the size of a tensor.
std::string hash_weights(const CheckpointReader& checkpoint);

}  // namespace sextant::trainer
