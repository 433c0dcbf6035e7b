#pragma once

#include <cstdint>

#include "data/tokenizer/definition.h"

namespace sextant::data {

// Stable over machines and versions: differs when any id would.
uint64_t fingerprint_of(const TokenizerDefinition& definition);

}  // namespace sextant::data
