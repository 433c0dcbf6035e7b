#include "trainer/kernels/simd/cached_attention.h"

#include "trainer/kernels/simd/exponential.h"
#include "trainer/kernels/simd/lanes.h"
#include "trainer/kernels/simd/tree_sum.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

// scores[s] = scale * query . keys[s], as many keys at a time as a vector has lanes. keys [count, width]
template <class Number>
void score(const Number* query, const Number* keys, int64_t count, int64_t width, float scale,
           float* scores) {
  for (int64_t first = 0; first < count; first += kLanes) {
    int64_t some = count - first < kLanes ? count - first : kLanes;
    Floats products[kLanes] = {};
    each_vector(width, [&](int64_t d, auto which) {
      Floats q = load(query + d, which);
      if (some == kLanes) {
        for (int64_t s = 0; s < kLanes; ++s) products[s] += q * load(keys + (first + s) * width + d, which);
      } else {
        for (int64_t s = 0; s < some; ++s) products[s] += q * load(keys + (first + s) * width + d, which);
      }
    });
    store(scores + first, tree_sums(products) * scale, Whole{});
  }
}

// Turns scores into e^(score - highest) and returns their sum.
float soften(float* scores, int64_t count) {
  Floats highest = broadcast(scores[0]), total{};
  each_vector(count, [&](int64_t s, auto which) {
    highest = larger(highest, keep(load(scores + s, which), highest, which));
  });
  float top = largest(highest);
  each_vector(count, [&](int64_t s, auto which) {
    Floats weight = keep(exponential(load(scores + s, which) - top), Floats{}, which);
    total += weight;
    store(scores + s, weight, which);
  });
  return sum(total);
}

// output = sum_s weights[s] values[s] / total. Four sums in turn hide the latency of an addition.
template <class Number>
void mix(const float* weights, const Number* values, int64_t count, int64_t width, float total,
         Number* output) {
  each_vector(width, [&](int64_t d, auto which) {
    Floats mixed[4] = {};
    int64_t s = 0;
    for (; s + 4 <= count; s += 4) {
      for (int64_t i = 0; i < 4; ++i) mixed[i] += weights[s + i] * load(values + (s + i) * width + d, which);
    }
    for (; s < count; ++s) mixed[0] += weights[s] * load(values + s * width + d, which);
    store(output + d, ((mixed[0] + mixed[1]) + (mixed[2] + mixed[3])) / total, which);
  });
}

template <class Number>
void attend(const CachedAttention<Number>& work, float* scores, int64_t first, int64_t last) {
  for (int64_t item = first; item < last; ++item) {
    int64_t token = item / work.heads, head = item % work.heads;
    int64_t key_head = head / (work.heads / work.key_heads);
    int64_t end = work.positions[token] + 1;
    int64_t begin = work.window > 0 && end > work.window ? end - work.window : 0;
    int64_t row = token / work.time * work.key_heads + key_head;
    int64_t offset = (row * work.slots + begin) * work.width, count = end - begin;
    score(work.query + item * work.width, work.keys + offset, count, work.width, work.scale, scores);
    float total = soften(scores, count);
    mix(scores, work.values + offset, count, work.width, total, work.output + item * work.width);
  }
}

}  // namespace

const CachedAttentionKernels kCachedAttentionKernels = {attend<float>, attend<Bf16>};

}  // namespace sextant::trainer::SEXTANT_SIMD
