#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trainer/model/model.pb.h"

namespace sextant::trainer {

// llama2.c's first format: seven i32 (width, hidden, layers, heads, key heads, vocabulary, context; the
// vocabulary negative when the output layer is its own), then fp32 weights, kind by kind over all layers.

// One parameter's numbers in such a file.
struct Llama2cWeight {
  std::string name;  // of ours
  std::vector<int64_t> shape;
  uint64_t begin = 0;        // first byte in the file
  int64_t turned_heads = 0;  // heads whose rows are in rotary pairs (0, 1), (2, 3) ...; 0: none
};

struct Llama2cLayout {
  ModelSettings settings;  // complete
  std::vector<Llama2cWeight> weights;
};

// Reads the header and checks that the file has the length that it says. Throws Error(kInput) naming
// `origin`. A pure function of its arguments.
Llama2cLayout parse_llama2c(std::span<const uint8_t> file, const std::string& origin);

}  // namespace sextant::trainer
