// Stands in for amx/ where processors have no tile unit: instruction_set() never names it there.
#include "trainer/kernels/simd/attention.h"

namespace sextant::trainer::amx {

extern const AttentionTask<Bf16> kAttentionTask = {};

}  // namespace sextant::trainer::amx
