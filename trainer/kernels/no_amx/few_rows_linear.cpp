// Stands in for amx/ where processors have no tile unit: instruction_set() never names it there.
#include "trainer/kernels/amx/few_rows_linear.h"

namespace sextant::trainer::amx {

void pack(const Bf16*, int64_t, int64_t, Bf16*) {
  __builtin_trap();
}

void linear(const Linear<Bf16>&, int64_t, int64_t) {
  __builtin_trap();
}

void linear(const Linear<float>&, int64_t, int64_t) {
  __builtin_trap();
}

}  // namespace sextant::trainer::amx
