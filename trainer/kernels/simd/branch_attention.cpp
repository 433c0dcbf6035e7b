#include "trainer/kernels/simd/branch_attention.h"

#include "trainer/kernels/simd/exponential.h"
#include "trainer/kernels/simd/lanes.h"

// A vector holds a number of each of several queries, a query a lane, so that no query's sums meet another's:
// its bits depend neither on its lane nor on what stands in the others. Keys that a query does not see have
// weight 0, which leaves sums as they are.
namespace sextant::trainer::SEXTANT_SIMD {
namespace {

constexpr int64_t kTogether = 8;  // sums side by side hide the latency of an addition

float number_at(const float* from) {
  return *from;
}

float number_at(const Bf16* from) {
  uint16_t bits;
  __builtin_memcpy(&bits, from, sizeof bits);
  uint32_t word = static_cast<uint32_t>(bits) << 16;
  float x;
  __builtin_memcpy(&x, &word, sizeof x);
  return x;
}

void put_number(float* to, float x) {
  *to = x;
}

void put_number(Bf16* to, float x) {
  Bf16 lanes[kLanes];
  store(lanes, broadcast(x), Whole{});
  *to = lanes[0];
}

// Where query `index` of the work stands in query and output.
template <class Number>
int64_t place_of_query(const BranchAttention<Number>& work, int64_t index) {
  return index / work.group * work.stride + index % work.group * work.width;
}

// query numbers as [D, lanes], zeros in lanes without a query
template <class Number>
void gather_queries(const BranchAttention<Number>& work, int64_t first, int64_t last, float* to) {
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    bool used = first + lane < last;
    const Number* from = work.query + (used ? place_of_query(work, first + lane) : 0);
    for (int64_t d = 0; d < work.width; ++d)
      to[d * kLanes + lane] = used ? number_at(from + d) * work.scale : 0.0F;
  }
}

// Scores of `Count` keys, to scores [Count, lanes].
template <int Count, class Number>
void score(const float* queries, const Number* keys, int64_t stride, int64_t width, float* scores) {
  Floats sums[Count] = {};
  for (int64_t d = 0; d < width; ++d) {
    Floats q = load(queries + d * kLanes, Whole{});
    for (int i = 0; i < Count; ++i) sums[i] += number_at(keys + i * stride + d) * q;
  }
  for (int i = 0; i < Count; ++i) store(scores + i * kLanes, sums[i], Whole{});
}

// Of the first `count` keys of a run.
template <class Number>
void score_run(const float* queries, const KeyRun<Number>& run, int64_t count, int64_t width, float* scores) {
  int64_t s = 0;
  for (; s + kTogether <= count; s += kTogether)
    score<kTogether>(queries, run.keys + s * run.stride, run.stride, width, scores + s * kLanes);
  for (; s < count; ++s) score<1>(queries, run.keys + s * run.stride, run.stride, width, scores + s * kLanes);
}

// The keys of each lane's query: places first .. last among all runs' keys.
struct Seen {
  Integers first, last;
};

template <class Number>
Seen seen_by(const BranchAttention<Number>& work, int64_t first, int64_t before) {
  Seen seen;
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    int64_t at = before + (first + lane) / work.group;
    seen.last[lane] = static_cast<int32_t>(at);
    seen.first[lane] = static_cast<int32_t>(work.window > 0 && at >= work.window ? at - work.window + 1 : 0);
  }
  return seen;
}

// Turns scores [count, lanes] into e^(score - highest) of the keys that are seen, 0 of the others; their
// sums.
Floats soften(const Seen& seen, int64_t count, float* scores) {
  const Floats lowest = broadcast(-3.4e38F);
  Floats highest = lowest, total{};
  for (int64_t s = 0; s < count; ++s) {
    auto place = static_cast<int32_t>(s);
    Floats x = load(scores + s * kLanes, Whole{});
    x = place >= seen.first ? x : lowest;
    x = place <= seen.last ? x : lowest;
    highest = larger(highest, x);
    store(scores + s * kLanes, x, Whole{});
  }
  for (int64_t s = 0; s < count; ++s) {
    Floats weight = exponential(load(scores + s * kLanes, Whole{}) - highest);
    total += weight;
    store(scores + s * kLanes, weight, Whole{});
  }
  return total;
}

// What the values come to at `Count` numbers from d on, weights [keys, lanes].
template <int Count, class Number>
void mix(const BranchAttention<Number>& work, const float* weights, int64_t own, int64_t d, Floats total,
         float* mixed) {
  Floats sums[Count] = {};
  for (int64_t i = 0; i < work.run_count; ++i) {
    const KeyRun<Number>& run = work.runs[i];
    int64_t count = i + 1 < work.run_count ? run.count : own;
    for (int64_t s = 0; s < count; ++s, weights += kLanes) {
      Floats weight = load(weights, Whole{});
      for (int j = 0; j < Count; ++j) sums[j] += number_at(run.values + s * run.stride + d + j) * weight;
    }
  }
  for (int j = 0; j < Count; ++j) store(mixed + (d + j) * kLanes, sums[j] / total, Whole{});
}

template <class Number>
void attend(const BranchAttention<Number>& work, float* scratch, int64_t first, int64_t last) {
  float* queries = scratch;                      // [D, lanes]
  float* mixed = queries + work.width * kLanes;  // [D, lanes]
  float* scores = mixed + work.width * kLanes;   // [keys, lanes]
  gather_queries(work, first, last, queries);
  int64_t own = (last - 1) / work.group + 1;  // of the branch's tokens; nobody here sees more
  int64_t before = 0;
  for (int64_t i = 0; i + 1 < work.run_count; ++i) {
    score_run(queries, work.runs[i], work.runs[i].count, work.width, scores + before * kLanes);
    before += work.runs[i].count;
  }
  score_run(queries, work.runs[work.run_count - 1], own, work.width, scores + before * kLanes);
  Floats total = soften(seen_by(work, first, before), before + own, scores);
  int64_t d = 0;
  for (; d + kTogether <= work.width; d += kTogether) mix<kTogether>(work, scores, own, d, total, mixed);
  for (; d < work.width; ++d) mix<1>(work, scores, own, d, total, mixed);
  for (int64_t query = first; query < last; ++query) {
    Number* to = work.output + place_of_query(work, query);
    for (d = 0; d < work.width; ++d) put_number(to + d, mixed[d * kLanes + query - first]);
  }
}

}  // namespace

const BranchAttentionKernels kBranchAttentionKernels = {kLanes, attend<float>, attend<Bf16>};

}  // namespace sextant::trainer::SEXTANT_SIMD
