// Backward of attention in fp32 from the saved log-sum-exp (Dao et al. 2022, algorithm 4), by blocks
// of 32 keys and 32 queries. Scores stand transposed, keys down and queries across, so that what belongs to a
// query is a vector.
#include "trainer/kernels/simd/attention_blocks.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

struct Packed {
  float *keys, *values, *dkey, *dvalue;              // [S, D]
  float *query, *grad, *query_across, *grad_across;  // of one head: [T, D] and panels
  float* dquery;                                     // [T, D]
  float *log_sum_exp, *along;                        // [T]; along: sum over D of dO O
  int32_t *first_keys, *last_keys;                   // [T] that a query reads; none past the last query
  float *probabilities, *dscores;                    // [32 keys, kChunk queries]
};

Packed lay_out(const AttentionShape& shape, Scratch& scratch) {
  Extents queries = query_extents(shape), keys = key_extents(shape);
  Packed p;
  p.keys = scratch.take<float>(keys.numbers());
  p.values = scratch.take<float>(keys.numbers());
  p.dkey = scratch.take<float>(keys.numbers());
  p.dvalue = scratch.take<float>(keys.numbers());
  p.query = scratch.take<float>(queries.numbers());
  p.grad = scratch.take<float>(queries.numbers());
  p.query_across = scratch.take<float>(queries.numbers());
  p.grad_across = scratch.take<float>(queries.numbers());
  p.dquery = scratch.take<float>(queries.numbers());
  p.log_sum_exp = scratch.take<float>(queries.time);
  p.along = scratch.take<float>(queries.time);
  p.first_keys = scratch.take<int32_t>(queries.time);
  p.last_keys = scratch.take<int32_t>(queries.time);
  p.probabilities = scratch.take<float>(kBlock * kChunk);
  p.dscores = scratch.take<float>(kBlock * kChunk);
  return p;
}

template <class Number>
void prepare_head(const AttentionBackward<Number>& work, int64_t batch, int64_t head, const Packed& p) {
  const AttentionShape& shape = work.shape;
  Extents e = query_extents(shape);
  pack(queries_of(work.query, work.query_strides, batch, head, shape), e, p.query);
  pack(queries_of(work.grad, work.grad_strides, batch, head, shape), e, p.grad);
  transpose(p.query, e, p.query_across);
  transpose(p.grad, e, p.grad_across);
  clear(p.dquery, e.numbers());
  const Number* output = place_of(work.output, work.output_strides, batch, head);
  const float* log_sum_exp = place_of(work.log_sum_exp, work.log_sum_exp_strides, batch, head);
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
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    int64_t query = first_query + i;
    Floats log_sum_exp = load(p.log_sum_exp + query, Whole{}), along = load(p.along + query, Whole{});
    Integers begin = load_integers(p.first_keys + query), last = load_integers(p.last_keys + query);
    for (int64_t row = 0; row < kBlock; ++row) {
      int64_t at = row * kChunk + slot + i;
      Floats probability = exponential(load(p.probabilities + at, Whole{}) * scale - log_sum_exp);
      if constexpr (kEdge) {
        auto key = static_cast<int32_t>(first_key + row);
        Integers seen = (last >= key) & (begin <= key);
        probability = seen ? probability : Floats{};
      }
      store(p.probabilities + at, probability, Whole{});
      store(p.dscores + at, probability * (load(p.dscores + at, Whole{}) - along), Whole{});
    }
  }
}

void run_block(const Packed& p, const AttentionShape& shape, int64_t key, int64_t query, int64_t slot) {
  int64_t width = key_extents(shape).width;
  product({p.keys + key * width, width, 1}, {p.query_across + query * width, kBlock},
          {p.probabilities + slot, kChunk}, shape.width, kBlock, Sum::kFresh);
  product({p.values + key * width, width, 1}, {p.grad_across + query * width, kBlock},
          {p.dscores + slot, kChunk}, shape.width, kBlock, Sum::kFresh);
  if (p.last_keys[query] < key + kBlock - 1 || p.first_keys[query + kBlock - 1] > key) {
    finish_scores<true>(p, key, query, slot, shape.scale);
  } else {
    finish_scores<false>(p, key, query, slot, shape.scale);
  }
  product({p.dscores + slot, 1, kChunk}, {p.keys + key * width, width}, {p.dquery + query * width, width},
          kBlock, width, Sum::kAdded);
}

// dK, dV of a block of keys, and its part of dQ, from the queries that read one of its keys.
void run_keys(const Packed& p, const AttentionShape& shape, int64_t key) {
  Extents e = query_extents(shape);
  int64_t begin = key > shape.ahead ? (key - shape.ahead) / kBlock * kBlock : 0;
  for (int64_t first = begin; first < e.time; first += kChunk) {
    int64_t queries = 0;
    while (queries < kChunk && first + queries < e.time &&
           p.first_keys[first + queries] <= key + kBlock - 1) {
      run_block(p, shape, key, first + queries, queries);
      queries += kBlock;
    }
    product({p.probabilities, kChunk, 1}, {p.grad + first * e.width, e.width},
            {p.dvalue + key * e.width, e.width}, queries, e.width, Sum::kAdded);
    product({p.dscores, kChunk, 1}, {p.query + first * e.width, e.width}, {p.dkey + key * e.width, e.width},
            queries, e.width, Sum::kAdded);
    if (queries < kChunk) break;
  }
}

template <class Number>
void hand_over(const GradientPlace<Number>& place, int64_t batch, int64_t head, const float* from,
               float scale, int64_t rows, const AttentionShape& shape) {
  for (int64_t t = 0; t < rows; ++t, from += Extents(rows, shape).width) {
    if (place.written != nullptr) {
      Number* to = place_of(place.written, place.strides, batch, head) + t * place.strides.time;
      write_row(to, from, scale, shape.width);
    } else {
      add_row(place_of(place.added, place.strides, batch, head) + t * place.strides.time, from, scale,
              shape.width);
    }
  }
}

template <class Number>
void prepare_keys(const AttentionBackward<Number>& work, int64_t batch, int64_t kv_head, const Packed& p) {
  const AttentionShape& shape = work.shape;
  Extents e = key_extents(shape);
  pack(keys_of(work.key, work.key_strides, batch, kv_head, shape), e, p.keys);
  pack(keys_of(work.value, work.value_strides, batch, kv_head, shape), e, p.values);
  clear(p.dkey, e.numbers());
  clear(p.dvalue, e.numbers());
  for (int64_t t = 0; t < query_extents(shape).time; ++t) {
    bool inside = t < shape.time;
    int32_t first = inside && shape.first_keys != nullptr ? shape.first_keys[batch * shape.time + t] : 0;
    p.first_keys[t] = inside ? first : INT32_MAX;
    p.last_keys[t] = inside ? static_cast<int32_t>(end_of_keys(shape, t) - 1) : -1;
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
  Scratch scratch{static_cast<char*>(memory)};
  Packed p = lay_out(shape, scratch);
  prepare_keys(work, batch, kv_head, p);
  int64_t group = shape.heads / shape.kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    prepare_head(work, batch, head, p);
    for (int64_t key = 0; key < shape.keys; key += kBlock) run_keys(p, shape, key);
    hand_over(work.dquery, batch, head, p.dquery, shape.scale, shape.time, shape);
  }
  hand_over(work.dkey, batch, kv_head, p.dkey, shape.scale, shape.keys, shape);
  hand_over(work.dvalue, batch, kv_head, p.dvalue, 1.0F, shape.keys, shape);
}

template void attention_backward<float>(const AttentionBackward<float>&, int64_t, int64_t, void*);
template void attention_backward<Bf16>(const AttentionBackward<Bf16>&, int64_t, int64_t, void*);

}  // namespace sextant::trainer::SEXTANT_SIMD
