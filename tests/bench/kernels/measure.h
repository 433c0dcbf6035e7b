#pragma once

#include <string>
#include <vector>

#include <functional>

namespace sextant::bench {

// What an operation's time is held against.
enum class Bound { kMemory, kArithmetic };

// One operation in our kernel and through ATen, on the same numbers.
struct Contest {
  std::string name, type;
  Bound bound;
  double work;  // bytes that must be read and written, or floating-point operations
  std::function<void()> ours, aten;
};

// Most that this machine gives, measured here: bytes/s of adding two vectors into a third, flop/s of at::mm.
struct Limits {
  double bytes_per_second, fp32_flops, bf16_flops;
};

Limits measure_limits();

// Ours and ATen's in turn, `rounds` times; prints one line with the medians.
void run(const Contest& contest, const Limits& limits, int rounds);

void print_header(const Limits& limits);

std::vector<Contest> row_contests();        // norms, activations, rotary, softmax
std::vector<Contest> attention_contests();  // forward and backward
std::vector<Contest> optimizer_contests();
std::vector<Contest> product_contests();     // linear layers, the loss
std::vector<Contest> generation_contests();  // linear layers of few rows, attention over a cache

}  // namespace sextant::bench
