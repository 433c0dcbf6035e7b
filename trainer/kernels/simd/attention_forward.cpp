// Attention forward in fp32, by blocks of 32 queries and up to 256 keys, softmax updated from chunk to
// chunk (Milakov & Gimelshein 2018; Dao et al. 2022, algorithm 1).
#include "trainer/kernels/simd/attention_blocks.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

struct Packed {
  float *keys, *values;    // panels, [S, D]
  float* query;            // [32, D]
  float* scores;           // [32, kChunk], then probabilities
  float* mixed;            // [32, D]
  float *maximum, *total;  // [32] of each query's scores so far
};

Packed lay_out(const AttentionShape& shape, Scratch& scratch) {
  Extents e = key_extents(shape);
  Packed p;
  p.keys = scratch.take<float>(e.numbers());
  p.values = scratch.take<float>(e.numbers());
  p.query = scratch.take<float>(kBlock * e.width);
  p.scores = scratch.take<float>(kBlock * kChunk);
  p.mixed = scratch.take<float>(kBlock * e.width);
  p.maximum = scratch.take<float>(kBlock);
  p.total = scratch.take<float>(kBlock);
  return p;
}

// Scores to probabilities of one row; keys begin .. end - 1 of the chunk are seen. Returns what earlier sums
// are to be multiplied with.
float soften(const Packed& p, int64_t row, int64_t keys, int64_t begin, int64_t end, float scale) {
  float* scores = p.scores + row * kChunk;
  Floats lowest = broadcast(p.maximum[row]), greatest = lowest;
  for (int64_t i = 0; i < keys; i += kLanes) {
    greatest = larger(greatest, within(load(scores + i, Whole{}) * scale, lowest, i, begin, end));
  }
  float maximum = largest(greatest);
  Floats sums{};
  for (int64_t i = 0; i < keys; i += kLanes) {
    Floats probability = exponential(load(scores + i, Whole{}) * scale - maximum);
    probability = within(probability, Floats{}, i, begin, end);
    sums += probability;
    store(scores + i, probability, Whole{});
  }
  float kept = exponential(broadcast(p.maximum[row] - maximum))[0];
  p.maximum[row] = maximum;
  p.total[row] = p.total[row] * kept + sum(sums);
  return kept;
}

void add_chunk(const AttentionShape& shape, const Packed& p, int64_t first_query, int64_t first_key,
               int64_t keys, const int32_t* first_keys) {
  Extents e = key_extents(shape);
  for (int64_t key = 0; key < keys; key += kBlock) {
    product({p.query, e.width, 1}, {p.keys + (first_key + key) * e.width, kBlock}, {p.scores + key, kChunk},
            shape.width, kBlock, Sum::kFresh);
  }
  for (int64_t row = 0; row < kBlock; ++row) {
    int64_t query = first_query + row;
    bool inside = query < shape.time;
    int64_t begin = inside && first_keys != nullptr ? first_keys[query] : 0;
    int64_t end = inside ? end_of_keys(shape, query) : 0;
    float kept = soften(p, row, keys, begin - first_key, end - first_key, shape.scale);
    if (kept != 1.0F) write_row(p.mixed + row * e.width, p.mixed + row * e.width, kept, e.width);
  }
  product({p.scores, kChunk, 1}, {p.values + first_key * e.width, e.width}, {p.mixed, e.width}, keys, e.width,
          Sum::kAdded);
}

// What the queries of a block have read before: nothing, or what is carried.
template <class Number>
void start_block(const AttentionForward<Number>& work, const Packed& p, int64_t batch, int64_t head,
                 int64_t first_query) {
  const AttentionShape& shape = work.shape;
  Extents e = query_extents(shape);
  Rows<Number> rows = queries_of(work.query, work.query_strides, batch, head, shape);
  rows.first += first_query * rows.stride;
  rows.count -= first_query;
  e.time = kBlock;
  pack(rows, e, p.query);
  clear(p.mixed, kBlock * e.width);
  for (int64_t row = 0; row < kBlock; ++row) p.maximum[row] = -1e30F, p.total[row] = 0;
  if (work.carried == nullptr) return;
  Rows<float> carried = queries_of<float>(work.carried, work.output_strides, batch, head, shape);
  carried.first += first_query * carried.stride;
  carried.count -= first_query;
  pack(carried, e, p.mixed);
  const float* log_sum_exp = place_of(work.log_sum_exp, work.log_sum_exp_strides, batch, head) + first_query;
  for (int64_t row = 0; row < kBlock && row < carried.count; ++row) {
    if (log_sum_exp[row] > -1e30F) p.maximum[row] = log_sum_exp[row], p.total[row] = 1;
  }
}

template <class Number>
void finish_block(const AttentionForward<Number>& work, const Packed& p, int64_t batch, int64_t head,
                  int64_t first_query) {
  const AttentionShape& shape = work.shape;
  Extents e = query_extents(shape);
  float* log_sum_exp = place_of(work.log_sum_exp, work.log_sum_exp_strides, batch, head) + first_query;
  for (int64_t row = 0; row < kBlock && first_query + row < shape.time; ++row) {
    if (p.total[row] == 0) continue;  // nothing read, now or before: what is carried stays
    log_sum_exp[row] = p.maximum[row] + __builtin_logf(p.total[row]);
    const float* mixed = p.mixed + row * e.width;
    if (work.carried == nullptr) {
      Number* to = place_of(work.output, work.output_strides, batch, head);
      write_row(to + (first_query + row) * work.output_strides.time, mixed, 1.0F / p.total[row], shape.width);
    } else {
      float* to = place_of(work.carried, work.output_strides, batch, head);
      write_row(to + (first_query + row) * work.output_strides.time, mixed, 1.0F / p.total[row], shape.width);
    }
  }
}

template <class Number>
void run_block(const AttentionForward<Number>& work, const Packed& p, int64_t batch, int64_t head,
               int64_t first_query) {
  const AttentionShape& shape = work.shape;
  const int32_t* first_keys = shape.first_keys != nullptr ? shape.first_keys + batch * shape.time : nullptr;
  int64_t first = first_keys != nullptr ? first_keys[first_query] / kBlock * kBlock : 0;
  int64_t end = (end_of_keys(shape, first_query + kBlock - 1) + kBlock - 1) / kBlock * kBlock;
  if (first >= end && work.carried != nullptr) return;
  start_block(work, p, batch, head, first_query);
  for (int64_t key = first; key < end; key += kChunk) {
    add_chunk(shape, p, first_query, key, end - key < kChunk ? end - key : kChunk, first_keys);
  }
  finish_block(work, p, batch, head, first_query);
}

template <class Number>
void forward(const AttentionForward<Number>& work, int64_t batch, int64_t kv_head, void* memory) {
  const AttentionShape& shape = work.shape;
  Extents e = key_extents(shape);
  Scratch scratch{static_cast<char*>(memory)};
  Packed p = lay_out(shape, scratch);
  pack(keys_of(work.key, work.key_strides, batch, kv_head, shape), e, p.values);
  transpose(p.values, e, p.keys);
  pack(keys_of(work.value, work.value_strides, batch, kv_head, shape), e, p.values);
  int64_t group = shape.heads / shape.kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    for (int64_t query = 0; query < shape.time; query += kBlock) run_block(work, p, batch, head, query);
  }
}

int64_t forward_scratch(const AttentionShape& shape) {
  char origin = 0;
  Scratch count{&origin};
  lay_out(shape, count);
  return count.used;
}

}  // namespace

const AttentionKernels kAttentionKernels = {
    {forward_scratch, attention_backward_scratch, forward<float>, attention_backward<float>},
    {forward_scratch, attention_backward_scratch, forward<Bf16>, attention_backward<Bf16>}};

}  // namespace sextant::trainer::SEXTANT_SIMD
