// Stands in for amx/ where processors have no tile unit: tile_unit() is false there, and nobody calls these.
#include "trainer/kernels/amx/product_steps.h"

namespace sextant::trainer::amx_product {

void begin() {
  __builtin_trap();
}
void end() {
  __builtin_trap();
}
void pack_left(const Part&, int64_t, uint16_t*) {
  __builtin_trap();
}
void pack_left_transposed(const Part&, int64_t, uint16_t*) {
  __builtin_trap();
}
void pack_right(const Part&, int64_t, uint16_t*) {
  __builtin_trap();
}
void pack_right_transposed(const Part&, int64_t, uint16_t*) {
  __builtin_trap();
}
void multiply(const uint16_t*, const uint16_t*, int64_t, float*) {
  __builtin_trap();
}
void multiply_add(const uint16_t*, const uint16_t*, int64_t, float*) {
  __builtin_trap();
}
void finish(const float*, const uint16_t*, const Target<uint16_t>&) {
  __builtin_trap();
}
void write(const float*, const Target<float>&) {
  __builtin_trap();
}
void add(const float*, const Target<float>&) {
  __builtin_trap();
}
void transpose(float*) {
  __builtin_trap();
}

}  // namespace sextant::trainer::amx_product
