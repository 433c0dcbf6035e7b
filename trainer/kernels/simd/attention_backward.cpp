// Backward of causal attention in fp32 from the saved log-sum-exp (Dao et al. 2022, algorithm 4), by blocks
// of 32 keys and 32 queries. Scores stand transposed, keys down and queries across, so that what belongs to a
// query is a vector.
#include "trainer/kernels/simd/attention_blocks.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

struct Packed {
  float *keys, *values, *dkey, *dvalue;              // [T, D]
  float *query, *grad, *query_across, *grad_across;  // of one head: [T, D] and panels
  float* dquery;                                     // [T, D]
  float *log_sum_exp, *along;                        // [T]; along: sum over D of dO O
  int32_t* first_keys;                               // [T]
  float *probabilities, *dscores;                    // [32 keys, kChunk queries]
};

Packed lay_out(const AttentionShape& shape, Scratch& scratch) {
  Extents e(shape);
  Packed p;
  p.keys = scratch.take<float>(e.numbers());
  p.values = scratch.take<float>(e.numbers());
  p.dkey = scratch.take<float>(e.numbers());
  p.dvalue = scratch.take<float>(e.numbers());
  p.query = scratch.take<float>(e.numbers());
  p.grad = scratch.take<float>(e.numbers());
  p.query_across = scratch.take<float>(e.numbers());
  p.grad_across = scratch.take<float>(e.numbers());
  p.dquery = scratch.take<float>(e.numbers());
  p.log_sum_exp = scratch.take<float>(e.time);
  p.along = scratch.take<float>(e.time);
  p.first_keys = scratch.take<int32_t>(e.time);
  p.probabilities = scratch.take<float>(kBlock * kChunk);
  p.dscores = scratch.take<float>(kBlock * kChunk);
  return p;
}

template <class Number>
void prepare_head(const AttentionBackward<Number>& work, int64_t batch, int64_t head, const Packed& p) {
  const AttentionShape& shape = work.shape;
  Extents e(shape);
  pack(rows_of(work.query, work.query_strides, batch, head, shape), e, p.query);
  pack(rows_of(work.grad, work.grad_strides, batch, head, shape), e, p.grad);
  transpose(p.query, e, p.query_across);
  transpose(p.grad, e, p.grad_across);
  clear(p.dquery, e.numbers());
  const Number* output = place_of(work.output, work.output_strides, batch, head);
  const float* log_sum_exp = work.log_sum_exp + (batch * shape.heads + head) * shape.time;
  for (int64_t t = 0; t < e.time; ++t) {
    p.log_sum_exp[t] = p.along[t] = 0;
    if (t >= shape.time) continue;
    Floats products{};
    each_vector(shape.width, [&](int64_t i, auto which) {
      products +=
          load(output + t * work.output_strides.time + i, which) * load(p.grad + t * e.width + i, which);
    });
    p.along[t] = sum(products);
    p.log_sum_exp[t] = log_sum_exp[t];
  }
}

Integers load_integers(const int32_t* from) {
  Integers x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}

// Scores and probability gradients of a block to probabilities and score gradients, in their own memory.
// kEdge: some of its queries do not see some of its keys.
template <bool kEdge>
void finish_scores(const Packed& p, int64_t first_key, int64_t first_query, int64_t slot, float scale) {
  Integers lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    int64_t query = first_query + i;
    Floats log_sum_exp = load(p.log_sum_exp + query, Whole{}), along = load(p.along + query, Whole{});
    Integers queries = lane + static_cast<int32_t>(query), begin = load_integers(p.first_keys + query);
    for (int64_t row = 0; row < kBlock; ++row) {
      int64_t at = row * kChunk + slot + i;
      Floats probability = exponential(load(p.probabilities + at, Whole{}) * scale - log_sum_exp);
      if constexpr (kEdge) {
        auto key = static_cast<int32_t>(first_key + row);
        Integers seen = (queries >= key) & (begin <= key);
        probability = seen ? probability : Floats{};
      }
      store(p.probabilities + at, probability, Whole{});
      store(p.dscores + at, probability * (load(p.dscores + at, Whole{}) - along), Whole{});
    }
  }
}

void run_block(const Packed& p, const Extents& e, const AttentionShape& shape, int64_t key, int64_t query,
               int64_t slot) {
  product({p.keys + key * e.width, e.width, 1}, {p.query_across + query * e.width, kBlock},
          {p.probabilities + slot, kChunk}, shape.width, kBlock, Sum::kFresh);
  product({p.values + key * e.width, e.width, 1}, {p.grad_across + query * e.width, kBlock},
          {p.dscores + slot, kChunk}, shape.width, kBlock, Sum::kFresh);
  if (key == query || p.first_keys[query + kBlock - 1] > key) {
    finish_scores<true>(p, key, query, slot, shape.scale);
  } else {
    finish_scores<false>(p, key, query, slot, shape.scale);
  }
  product({p.dscores + slot, 1, kChunk}, {p.keys + key * e.width, e.width},
          {p.dquery + query * e.width, e.width}, kBlock, e.width, Sum::kAdded);
}

void run_head(const Packed& p, const AttentionShape& shape) {
  Extents e(shape);
  for (int64_t key = 0; key < e.time; key += kBlock) {
    for (int64_t first = key; first < e.time; first += kChunk) {
      int64_t queries = 0;
      while (queries < kChunk && first + queries < e.time &&
             p.first_keys[first + queries] <= key + kBlock - 1) {
        run_block(p, e, shape, key, first + queries, queries);
        queries += kBlock;
      }
      product({p.probabilities, kChunk, 1}, {p.grad + first * e.width, e.width},
              {p.dvalue + key * e.width, e.width}, queries, e.width, Sum::kAdded);
      product({p.dscores, kChunk, 1}, {p.query + first * e.width, e.width}, {p.dkey + key * e.width, e.width},
              queries, e.width, Sum::kAdded);
      if (queries < kChunk) break;
    }
  }
}

template <class Number>
void write_rows(Number* to, const HeadStrides& strides, const float* from, float scale,
                const AttentionShape& shape) {
  for (int64_t t = 0; t < shape.time; ++t) {
    write_row(to + t * strides.time, from + t * Extents(shape).width, scale, shape.width);
  }
}

}  // namespace

int64_t attention_backward_scratch(const AttentionShape& shape) {
  char origin = 0;
  Scratch count{&origin};
  lay_out(shape, count);
  return count.used;
}

template <class Number>
void attention_backward(const AttentionBackward<Number>& work, int64_t batch, int64_t kv_head, void* memory) {
  const AttentionShape& shape = work.shape;
  Extents e(shape);
  Scratch scratch{static_cast<char*>(memory)};
  Packed p = lay_out(shape, scratch);
  pack(rows_of(work.key, work.key_strides, batch, kv_head, shape), e, p.keys);
  pack(rows_of(work.value, work.value_strides, batch, kv_head, shape), e, p.values);
  clear(p.dkey, e.numbers());
  clear(p.dvalue, e.numbers());
  for (int64_t t = 0; t < e.time; ++t) {
    bool bounded = shape.first_keys != nullptr && t < shape.time;
    p.first_keys[t] = t >= shape.time ? INT32_MAX : bounded ? shape.first_keys[batch * shape.time + t] : 0;
  }
  int64_t group = shape.heads / shape.kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    prepare_head(work, batch, head, p);
    run_head(p, shape);
    write_rows(place_of(work.dquery, work.dquery_strides, batch, head), work.dquery_strides, p.dquery,
               shape.scale, shape);
  }
  write_rows(place_of(work.dkey, work.dkey_strides, batch, kv_head), work.dkey_strides, p.dkey, shape.scale,
             shape);
  write_rows(place_of(work.dvalue, work.dvalue_strides, batch, kv_head), work.dvalue_strides, p.dvalue, 1.0F,
             shape);
}

template void attention_backward<float>(const AttentionBackward<float>&, int64_t, int64_t, void*);
template void attention_backward<Bf16>(const AttentionBackward<Bf16>&, int64_t, int64_t, void*);

}  // namespace sextant::trainer::SEXTANT_SIMD
