// Backward of attention from the saved log-sum-exp (Dao et al. 2022, algorithm 4), by blocks of 32
// keys and 32 queries. Scores stand transposed, keys down and queries across, so that what belongs to a query
// is a vector and all five products read their factors as they come; only dQ comes out transposed.
#include "trainer/kernels/amx/attention.h"

namespace sextant::trainer::amx {
namespace {

// One query head, padded to whole blocks.
struct Head {
  Bf16 *query_across, *grad_across;  // right tiles of Q^T and dO^T: [T/16, D/32]
  Bf16 *query_down, *grad_down;      // right tiles of Q and dO: [D/16, T/32]
  float* log_sum_exp;                // [T] in powers of two
  float* along;                      // [T] sum of dO O
  float* dquery;                     // sum tiles of dQ^T: [D/16, T/16]
};

struct Packed {
  Bf16 *keys, *values;              // left tiles of K and V: [S/16, D/32]
  Bf16* keys_across;                // left tiles of K^T: [D/16, S/32]
  int32_t *first_keys, *last_keys;  // [T] that a query reads; none past the last query
  float *dkey, *dvalue;             // [S, D]
  Head head;
  float *scores, *dprobabilities;  // [32 keys, 32 queries]
  Bf16 *probabilities, *dscores;   // left tiles, keys down: [2, kChunk]
  Bf16* dscores_down;              // right tiles of the same: [2]
};

Packed lay_out(const AttentionShape& shape, Scratch& scratch) {
  Extents e(shape);
  Packed p;
  int64_t all = e.query_numbers(), chunk = kBlock * kChunk * kBlock;
  p.keys = scratch.take<Bf16>(e.key_numbers());
  p.values = scratch.take<Bf16>(e.key_numbers());
  p.keys_across = scratch.take<Bf16>(e.key_numbers());
  p.dkey = scratch.take<float>(e.key_numbers());
  p.dvalue = scratch.take<float>(e.key_numbers());
  p.head.query_across = scratch.take<Bf16>(all);
  p.head.grad_across = scratch.take<Bf16>(all);
  p.head.query_down = scratch.take<Bf16>(all);
  p.head.grad_down = scratch.take<Bf16>(all);
  p.head.dquery = scratch.take<float>(all);
  p.head.log_sum_exp = scratch.take<float>(e.padded_time());
  p.head.along = scratch.take<float>(e.padded_time());
  p.first_keys = scratch.take<int32_t>(e.padded_time());
  p.last_keys = scratch.take<int32_t>(e.padded_time());
  p.scores = scratch.take<float>(kBlock * kBlock);
  p.dprobabilities = scratch.take<float>(kBlock * kBlock);
  p.probabilities = scratch.take<Bf16>(chunk);
  p.dscores = scratch.take<Bf16>(chunk);
  p.dscores_down = scratch.take<Bf16>(kBlock * kBlock);
  return p;
}

void clear(float* numbers, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) _mm512_store_ps(numbers + i, _mm512_setzero_ps());
}

// Sum over D of dO O for one query.
float dot(const Rows& a, const Rows& b, int64_t row) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < a.width; i += 32) {
    sum = _mm512_dpbf16_ps(sum, (__m512bh)load_part(a, row, i), (__m512bh)load_part(b, row, i));
  }
  return _mm512_reduce_add_ps(sum);
}

void prepare_head(const AttentionBackward<Bf16>& work, int64_t batch, int64_t head, const Packed& p) {
  const AttentionShape& shape = work.shape;
  Rows query = queries_of(work.query, work.query_strides, batch, head, shape);
  Rows grad = queries_of(work.grad, work.grad_strides, batch, head, shape);
  Rows output = queries_of(work.output, work.output_strides, batch, head, shape);
  pack_right_transposed(query, p.head.query_across);
  pack_right_transposed(grad, p.head.grad_across);
  pack_right(query, p.head.query_down, nullptr);
  pack_right(grad, p.head.grad_down, nullptr);
  const float* log_sum_exp = place_of(work.log_sum_exp, work.log_sum_exp_strides, batch, head);
  for (int64_t t = 0; t < Extents(shape).padded_time(); ++t) {
    bool inside = t < shape.time;
    p.head.log_sum_exp[t] = inside ? log_sum_exp[t] * kLog2E : 0.0F;
    p.head.along[t] = inside ? dot(grad, output, t) : 0.0F;
  }
  clear(p.head.dquery, Extents(shape).query_numbers());
}

// What the elements of a block need that is the same for all its keys, for 16 queries.
struct Column {
  __m512 log_sum_exp, along;
  __m512i first_key, last_key;
};

Column column_of(const Packed& p, int64_t query) {
  return {_mm512_load_ps(p.head.log_sum_exp + query), _mm512_load_ps(p.head.along + query),
          _mm512_load_si512(p.first_keys + query), _mm512_load_si512(p.last_keys + query)};
}

struct Element {
  __m512 probability, dscore;
};

template <bool kEdge>
Element element(const Packed& p, const Column& column, int64_t at, int64_t key, __m512 factor) {
  __m512 probability =
      power_of_two(_mm512_fmsub_ps(_mm512_load_ps(p.scores + at), factor, column.log_sum_exp));
  if constexpr (kEdge) {
    __m512i keys = _mm512_set1_epi32(static_cast<int32_t>(key));
    __mmask16 seen =
        _mm512_cmple_epi32_mask(keys, column.last_key) & _mm512_cmple_epi32_mask(column.first_key, keys);
    probability = _mm512_maskz_mov_ps(seen, probability);
  }
  __m512 distance = _mm512_sub_ps(_mm512_load_ps(p.dprobabilities + at), column.along);
  return {probability, _mm512_mul_ps(probability, distance)};
}

// Probabilities and score gradients of a block out of its scores, as the tiles that the products read.
// kEdge: some of its queries do not see some of its keys.
template <bool kEdge>
void make_tiles(const Packed& p, int64_t key_block, int64_t query_block, int64_t slot, float scale) {
  Column left = column_of(p, query_block * kBlock), right = column_of(p, query_block * kBlock + 16);
  __m512 factor = _mm512_set1_ps(scale * kLog2E);
  for (int64_t pair = 0; pair < 16; ++pair) {
    __m512i dscores[2];
    for (int64_t odd = 0; odd < 2; ++odd) {
      int64_t row = 2 * pair + odd, key = key_block * kBlock + row;
      Element low = element<kEdge>(p, left, row * kBlock, key, factor);
      Element high = element<kEdge>(p, right, row * kBlock + 16, key, factor);
      int64_t place = (row / 16 * kChunk + slot) * kTileNumbers + row % 16 * 32;
      dscores[odd] = narrow(low.dscore, high.dscore);
      _mm512_store_si512(p.probabilities + place, narrow(low.probability, high.probability));
      _mm512_store_si512(p.dscores + place, dscores[odd]);
    }
    _mm512_store_si512(p.dscores_down + pair * 32, lower_pairs(dscores[0], dscores[1]));
    _mm512_store_si512(p.dscores_down + kTileNumbers + pair * 32, upper_pairs(dscores[0], dscores[1]));
  }
}

void block(const Packed& p, const Extents& e, int64_t key_block, int64_t query_block, int64_t slot,
           float scale) {
  int64_t keys = key_block * 2 * e.wide * kTileNumbers, queries = query_block * 2 * e.wide * kTileNumbers;
  int64_t next = e.wide * kTileNumbers;
  SumPlace square{kBlock * 4, kBlock * 64, 64};
  zero_sums();
  multiply(p.keys + keys, next, p.head.query_across + queries, next, e.wide);
  store_sums(p.scores, square);
  zero_sums();
  multiply(p.values + keys, next, p.head.grad_across + queries, next, e.wide);
  store_sums(p.dprobabilities, square);
  int64_t query = query_block * kBlock, key = key_block * kBlock;
  if (p.last_keys[query] < key + kBlock - 1 || p.first_keys[query + kBlock - 1] > key) {
    make_tiles<true>(p, key_block, query_block, slot, scale);
  } else {
    make_tiles<false>(p, key_block, query_block, slot, scale);
  }
  finish_writes();
  SumPlace tiled{kRow, 2 * e.high * kTileFloats * 4, kTileFloats * 4};
  for (int64_t d = 0; d < e.wide; ++d) {  // dQ^T += K^T dS^T
    float* dquery = p.head.dquery + (2 * d * 2 * e.high + 2 * query_block) * kTileFloats;
    load_sums(dquery, tiled);
    multiply(p.keys_across + (2 * d * e.deep + key_block) * kTileNumbers, e.deep * kTileNumbers,
             p.dscores_down, kTileNumbers, 1);
    store_sums(dquery, tiled);
  }
}

// dK and dV of a block of keys from the queries of a chunk.
void add_keys(const Packed& p, const Extents& e, int64_t key_block, int64_t first, int64_t blocks) {
  SumPlace place{e.padded_width() * 4, e.padded_width() * 64, 64};
  for (int64_t d = 0; d < e.wide; ++d) {
    int64_t sums = key_block * kBlock * e.padded_width() + d * 32;
    int64_t tile = (2 * d * e.high + first) * kTileNumbers, next = e.high * kTileNumbers;
    load_sums(p.dvalue + sums, place);
    multiply(p.probabilities, kChunk * kTileNumbers, p.head.grad_down + tile, next, blocks);
    store_sums(p.dvalue + sums, place);
    load_sums(p.dkey + sums, place);
    multiply(p.dscores, kChunk * kTileNumbers, p.head.query_down + tile, next, blocks);
    store_sums(p.dkey + sums, place);
  }
}

void run_head(const Packed& p, const AttentionShape& shape) {
  Extents e(shape);
  finish_writes();
  for (int64_t key = 0; key < e.deep; ++key) {
    int64_t first_key = key * kBlock, last_key = first_key + kBlock - 1;
    int64_t begin = first_key > shape.ahead ? (first_key - shape.ahead) / kBlock : 0;
    for (int64_t first = begin; first < e.high; first += kChunk) {
      int64_t blocks = 0;
      while (blocks < kChunk && first + blocks < e.high &&
             p.first_keys[(first + blocks) * kBlock] <= last_key) {
        block(p, e, key, first + blocks, blocks, shape.scale);
        ++blocks;
      }
      add_keys(p, e, key, first, blocks);
      if (blocks < kChunk) break;
    }
  }
}

// Numbers of sum tiles that lie transposed, to where they belong.
void hand_over_across(const GradientPlace<Bf16>& place, int64_t batch, int64_t head, const float* tiles,
                      const AttentionShape& shape) {
  Extents e(shape);
  for (int64_t d = 0; d * 16 < shape.width; ++d) {
    __mmask16 mask = first_lanes(shape.width - d * 16);
    for (int64_t t = 0; t * 16 < shape.time; ++t) {
      const float* tile = tiles + (d * 2 * e.high + t) * kTileFloats;
      __m512i x[16];
      for (int64_t i = 0; i < 16; ++i) x[i] = _mm512_load_si512(tile + i * 16);
      transpose(x);
      for (int64_t i = 0; i < 16 && t * 16 + i < shape.time; ++i) {
        __m512 scaled = _mm512_mul_ps((__m512)x[i], _mm512_set1_ps(shape.scale));
        int64_t to = (t * 16 + i) * place.strides.time + d * 16;
        if (place.written != nullptr) {
          _mm256_mask_storeu_epi16(place_of(place.written, place.strides, batch, head) + to, mask,
                                   (__m256i)_mm512_cvtneps_pbh(scaled));
        } else {
          float* sum = place_of(place.added, place.strides, batch, head) + to;
          _mm512_mask_storeu_ps(sum, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, sum), scaled));
        }
      }
    }
  }
}

void hand_over(const GradientPlace<Bf16>& place, int64_t batch, int64_t head, const float* from, float scale,
               const AttentionShape& shape) {
  for (int64_t t = 0; t < shape.keys; ++t, from += Extents(shape).padded_width()) {
    if (place.written != nullptr) {
      write_row(place_of(place.written, place.strides, batch, head) + t * place.strides.time, from, scale,
                shape.width);
    } else {
      add_row(place_of(place.added, place.strides, batch, head) + t * place.strides.time, from, scale,
              shape.width);
    }
  }
}

void prepare_keys(const AttentionBackward<Bf16>& work, int64_t batch, int64_t kv_head, const Packed& p) {
  const AttentionShape& shape = work.shape;
  Extents e(shape);
  Rows keys = keys_of(work.key, work.key_strides, batch, kv_head, shape);
  pack_left(keys, p.keys);
  pack_left(keys_of(work.value, work.value_strides, batch, kv_head, shape), p.values);
  pack_right(keys, nullptr, p.keys_across);
  for (int64_t t = 0; t < e.padded_time(); ++t) {
    bool inside = t < shape.time;
    int32_t first = inside && shape.first_keys != nullptr ? shape.first_keys[batch * shape.time + t] : 0;
    p.first_keys[t] = inside ? first : INT32_MAX;
    p.last_keys[t] = inside ? static_cast<int32_t>(end_of_keys(shape, t) - 1) : -1;
  }
  clear(p.dkey, e.key_numbers());
  clear(p.dvalue, e.key_numbers());
}

}  // namespace

int64_t backward_scratch(const AttentionShape& shape) {
  char origin = 0;
  Scratch count{&origin};
  lay_out(shape, count);
  return count.used;
}

void attention_backward(const AttentionBackward<Bf16>& work, int64_t batch, int64_t kv_head, void* memory) {
  TileUnit unit;
  const AttentionShape& shape = work.shape;
  Scratch scratch{static_cast<char*>(memory)};
  Packed packed = lay_out(shape, scratch);
  prepare_keys(work, batch, kv_head, packed);
  int64_t group = shape.heads / shape.kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    prepare_head(work, batch, head, packed);
    run_head(packed, shape);
    hand_over_across(work.dquery, batch, head, packed.head.dquery, shape);
  }
  hand_over(work.dkey, batch, kv_head, packed.dkey, shape.scale, shape);
  hand_over(work.dvalue, batch, kv_head, packed.dvalue, 1.0F, shape);
}

extern const AttentionTask<Bf16> kAttentionTask = {forward_scratch, backward_scratch, attention_forward,
                                                   attention_backward};

}  // namespace sextant::trainer::amx
