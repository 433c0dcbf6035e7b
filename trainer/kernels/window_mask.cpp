#include "trainer/kernels/window_mask.h"

#include <ATen/ATen.h>

namespace sextant::trainer {

at::Tensor window_mask(const at::Tensor& mask, const at::Tensor& places, int64_t window) {
  int64_t keys = mask.defined() ? mask.size(-1) : places.size(1);
  if (keys <= window) return mask;
  at::Tensor key = at::arange(keys, places.options()).view({1, 1, 1, keys});
  at::Tensor place = places.unsqueeze(1).unsqueeze(3);  // [B, 1, T, 1]
  at::Tensor near = key > place - window;               // [B, 1, T, S]
  return near.logical_and_(mask.defined() ? mask : key <= place);
}

}  // namespace sextant::trainer
