#include <ATen/ATen.h>
#include <fmt/format.h>

#include "tests/bench/kernels/measure.h"
#include "trainer/kernels/cached_attention.h"
#include "trainer/kernels/few_rows_linear.h"

namespace sextant::bench {
namespace {

// SmolLM2-135M's: 30 layers of feed-forward up, width 576, 9 query and 3 key heads of 64.
constexpr int64_t kLayers = 30, kWidth = 576, kHidden = 1536, kHeads = 9, kKeyHeads = 3, kHeadWidth = 64;

struct Kind {
  at::ScalarType type;
  const char* name;
  double bytes;
};
const Kind kKinds[] = {{at::kBFloat16, "bf16", 2}, {at::kFloat, "fp32", 4}};

// One token of `rows` texts through a layer of each block, so that weights come from memory as they do in a
// model.
void add_linear(const Kind& kind, int64_t rows, std::vector<Contest>& contests) {
  at::Tensor x = at::randn({rows, kWidth}).to(kind.type);
  std::vector<trainer::Linear> layers;
  for (int64_t i = 0; i < kLayers; ++i) layers.push_back({at::randn({kHidden, kWidth}).to(kind.type), {}});
  double bytes = static_cast<double>(kLayers * kHidden * kWidth) * kind.bytes;
  contests.push_back({fmt::format("few rows: linear, {} x {} x {}", rows, kHidden, kWidth), kind.name,
                      Bound::kMemory, bytes,
                      [=] {
                        for (const auto& layer : layers) trainer::few_rows_linear(x, {layer}, kind.type);
                      },
                      [=] {
                        for (const auto& layer : layers) at::linear(x, layer.weight);
                      }});
}

// One new token each of 16 texts of 1,024.
void add_attention(const Kind& kind, std::vector<Contest>& contests) {
  constexpr int64_t kRows = 16, kSlots = 1024;
  at::Tensor query = at::randn({kRows, 1, kHeads, kHeadWidth}).to(kind.type);
  at::Tensor keys = at::randn({kRows, kKeyHeads, kSlots, kHeadWidth}).to(kind.type);
  at::Tensor values = at::randn({kRows, kKeyHeads, kSlots, kHeadWidth}).to(kind.type);
  at::Tensor last = at::full({kRows, 1}, kSlots - 1, at::kLong);
  contests.push_back(
      {fmt::format("cached attention B{} H{}/{} S{} D{}", kRows, kHeads, kKeyHeads, kSlots, kHeadWidth),
       kind.name, Bound::kMemory, 2 * static_cast<double>(keys.numel()) * kind.bytes,
       [=] { trainer::cached_attention(query, keys, values, last, 0); },
       [=] {
         at::scaled_dot_product_attention(query.transpose(1, 2), keys, values, {}, 0, false, {},
                                          /*enable_gqa=*/true);
       }});
}

}  // namespace

std::vector<Contest> generation_contests() {
  std::vector<Contest> contests;
  for (const Kind& kind : kKinds) {
    for (int64_t rows : {1, 16}) add_linear(kind, rows, contests);
    add_attention(kind, contests);
  }
  return contests;
}

}  // namespace sextant::bench
