#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sextant::trainer {

// Bytes that this rank uses: its resident memory on the CPU, the allocator's peak on a GPU.
int64_t device_memory(at::Device device);

// Gives back what is not in use, and measures anew from here on.
void forget_device_memory(at::Device device);

}  // namespace sextant::trainer
