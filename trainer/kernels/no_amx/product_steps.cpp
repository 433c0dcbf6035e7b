// Stands in for amx/ where processors have no tile unit: tile_unit() is false there, and nobody calls these.
#include "trainer/kernels/amx/product_steps.h"

namespace sextant::trainer::amx {

void begin_product() {
  __builtin_trap();
}
void end_product() {
  __builtin_trap();
}
void pack_left_block(const Part&, Bf16*) {
  __builtin_trap();
}
void pack_left_block_transposed(const Part&, Bf16*) {
  __builtin_trap();
}
void pack_right_block(const Part&, Bf16*) {
  __builtin_trap();
}
void pack_right_block_transposed(const Part&, Bf16*) {
  __builtin_trap();
}
void multiply_steps(Steps, Steps, int64_t, float*) {
  __builtin_trap();
}
void multiply_add_steps(Steps, Steps, int64_t, float*) {
  __builtin_trap();
}
void finish(const float*, const Bf16*, const Target<Bf16>&) {
  __builtin_trap();
}
void write(const float*, const Target<float>&) {
  __builtin_trap();
}
void add(const float*, const Target<float>&) {
  __builtin_trap();
}
void transpose_sums(float*) {
  __builtin_trap();
}

}  // namespace sextant::trainer::amx
