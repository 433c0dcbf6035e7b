// Processors that never have Intel's tiles: nobody calls these, since instruction_set() is never kAmx there.
#include "trainer/kernels/amx/linear.h"

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
