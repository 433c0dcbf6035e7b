// Attention forward by blocks of 32 queries and up to 256 keys, softmax updated from chunk to chunk
// (Milakov & Gimelshein 2018; Dao et al. 2022, algorithm 1).
#include "trainer/kernels/amx/attention.h"

namespace sextant::trainer::amx {
namespace {

// One block of queries on its way.
struct Block {
  Bf16* query;            // left tiles [2, D/32]
  Bf16* probabilities;    // left tiles [2, kChunk]
  float* scores;          // [32, kChunk * 32]
  float* mixed;           // [32, D] sum of probabilities and values so far
  float maximum[kBlock];  // of the row's scores so far, in powers of two
  float total[kBlock];    // of the row's probabilities so far, relative to maximum
};

struct Packed {
  Bf16* keys;    // right tiles of K^T: [S/16, D/32]
  Bf16* values;  // right tiles of V: [D/16, S/32]
  Block block;
};

Packed lay_out(const AttentionShape& shape, Scratch& scratch) {
  Extents e(shape);
  Packed packed;
  packed.keys = scratch.take<Bf16>(e.key_numbers());
  packed.values = scratch.take<Bf16>(e.key_numbers());
  packed.block.query = scratch.take<Bf16>(kBlock * e.padded_width());
  packed.block.probabilities = scratch.take<Bf16>(kBlock * kChunk * kBlock);
  packed.block.scores = scratch.take<float>(kBlock * kChunk * kBlock);
  packed.block.mixed = scratch.take<float>(kBlock * e.padded_width());
  return packed;
}

int64_t within_a_block(int64_t lane) {
  return lane < 0 ? 0 : lane > 16 ? 16 : lane;
}

// Lanes first .. first + 15 that lie in begin .. end - 1.
__mmask16 lanes_within(int64_t first, int64_t begin, int64_t end) {
  int64_t from = within_a_block(begin - first), to = within_a_block(end - first);
  if (from >= to) return 0;
  return static_cast<__mmask16>((1U << to) - (1U << from));
}

// Scores to probabilities of one row; keys begin .. end - 1 of the chunk are seen. Returns what earlier sums
// are to be multiplied with.
float soften(Block& block, int64_t row, int64_t blocks, int64_t begin, int64_t end, float factor) {
  const float* scores = block.scores + row * kChunk * kBlock;
  __m512 greatest = _mm512_set1_ps(block.maximum[row]);
  for (int64_t i = 0; i < blocks * kBlock; i += 16) {
    __m512 x = _mm512_mul_ps(_mm512_load_ps(scores + i), _mm512_set1_ps(factor));
    greatest = _mm512_mask_max_ps(greatest, lanes_within(i, begin, end), greatest, x);
  }
  float maximum = _mm512_reduce_max_ps(greatest);
  __m512 shift = _mm512_set1_ps(maximum), sum = _mm512_setzero_ps();
  Bf16* tile = block.probabilities + (row / 16 * kChunk) * kTileNumbers + row % 16 * 32;
  for (int64_t i = 0; i < blocks * kBlock; i += 32, tile += kTileNumbers) {
    __m512 low = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(scores + i), _mm512_set1_ps(factor), shift));
    __m512 high =
        power_of_two(_mm512_fmsub_ps(_mm512_load_ps(scores + i + 16), _mm512_set1_ps(factor), shift));
    low = _mm512_maskz_mov_ps(lanes_within(i, begin, end), low);
    high = _mm512_maskz_mov_ps(lanes_within(i + 16, begin, end), high);
    sum = _mm512_add_ps(sum, _mm512_add_ps(low, high));
    _mm512_store_si512(tile, narrow(low, high));
  }
  float kept = _mm512_cvtss_f32(power_of_two(_mm512_set1_ps(block.maximum[row] - maximum)));
  block.maximum[row] = maximum;
  block.total[row] = block.total[row] * kept + _mm512_reduce_add_ps(sum);
  return kept;
}

// Adds `blocks` blocks of keys from block `first` on.
void add_chunk(const AttentionShape& shape, const Packed& packed, Block& block, int64_t first_query,
               int64_t first, int64_t blocks, const int32_t* first_keys, bool fresh) {
  Extents e(shape);
  finish_writes();
  for (int64_t i = 0; i < blocks; ++i) {
    zero_sums();
    int64_t tile = (first + i) * 2 * e.wide * kTileNumbers;
    multiply(block.query, e.wide * kTileNumbers, packed.keys + tile, e.wide * kTileNumbers, e.wide);
    store_sums(block.scores + i * kBlock, {kChunk * kBlock * 4, 16 * kChunk * kBlock * 4, 64});
  }
  for (int64_t row = 0; row < kBlock; ++row) {
    int64_t query = first_query + row, origin = first * kBlock;
    bool inside = query < shape.time;
    int64_t begin = inside && first_keys != nullptr ? first_keys[query] : 0;
    int64_t end = inside ? end_of_keys(shape, query) : 0;
    float kept = soften(block, row, blocks, begin - origin, end - origin, shape.scale * kLog2E);
    if (fresh || kept == 1.0F) continue;
    float* mixed = block.mixed + row * e.padded_width();
    for (int64_t i = 0; i < e.padded_width(); i += 16) {
      _mm512_store_ps(mixed + i, _mm512_mul_ps(_mm512_load_ps(mixed + i), _mm512_set1_ps(kept)));
    }
  }
  finish_writes();
  SumPlace place{e.padded_width() * 4, e.padded_width() * 64, 64};
  for (int64_t d = 0; d < e.wide; ++d) {
    if (fresh) {
      zero_sums();
    } else {
      load_sums(block.mixed + d * 32, place);
    }
    multiply(block.probabilities, kChunk * kTileNumbers,
             packed.values + (2 * d * e.deep + first) * kTileNumbers, e.deep * kTileNumbers, blocks);
    store_sums(block.mixed + d * 32, place);
  }
}

// What the queries of a block have read before: nothing, or what is carried.
void start_block(const AttentionForward<Bf16>& work, Block& block, int64_t batch, int64_t head,
                 int64_t first_query) {
  const AttentionShape& shape = work.shape;
  Rows rows = queries_of(work.query, work.query_strides, batch, head, shape);
  int64_t left = shape.time - first_query < kBlock ? shape.time - first_query : kBlock;
  pack_left({rows.first + first_query * rows.stride, rows.stride, left, shape.width}, block.query);
  for (int64_t row = 0; row < kBlock; ++row) block.maximum[row] = -1e30F, block.total[row] = 0;
  if (work.carried == nullptr) return;
  int64_t width = Extents(shape).padded_width();
  const float* log_sum_exp = place_of(work.log_sum_exp, work.log_sum_exp_strides, batch, head) + first_query;
  const float* carried = place_of(work.carried, work.output_strides, batch, head);
  for (int64_t row = 0; row < kBlock; ++row) {
    const float* from = carried + (first_query + row) * work.output_strides.time;
    for (int64_t i = 0; i < width; i += 16) {
      __mmask16 mask = row < left && i < shape.width ? first_lanes(shape.width - i) : __mmask16{0};
      _mm512_store_ps(block.mixed + row * width + i, _mm512_maskz_loadu_ps(mask, from + i));
    }
    if (row >= left || log_sum_exp[row] < -1e30F) continue;
    block.maximum[row] = log_sum_exp[row] * kLog2E;
    block.total[row] = 1;
  }
}

void finish_block(const AttentionForward<Bf16>& work, const Block& block, int64_t batch, int64_t head,
                  int64_t first_query) {
  const AttentionShape& shape = work.shape;
  Extents e(shape);
  float* log_sum_exp = place_of(work.log_sum_exp, work.log_sum_exp_strides, batch, head);
  for (int64_t row = 0; row < kBlock && first_query + row < shape.time; ++row) {
    if (block.total[row] == 0) continue;  // nothing read, now or before: what is carried stays
    int64_t query = first_query + row;
    log_sum_exp[query] = block.maximum[row] / kLog2E + __builtin_logf(block.total[row]);
    const float* mixed = block.mixed + row * e.padded_width();
    int64_t place = query * work.output_strides.time;
    if (work.carried == nullptr) {
      Bf16* to = place_of(work.output, work.output_strides, batch, head) + place;
      write_row(to, mixed, 1.0F / block.total[row], shape.width);
    } else {
      float* to = place_of(work.carried, work.output_strides, batch, head) + place;
      write_row(to, mixed, 1.0F / block.total[row], shape.width);
    }
  }
}

void run_block(const AttentionForward<Bf16>& work, Packed& packed, int64_t batch, int64_t head,
               int64_t query) {
  const AttentionShape& shape = work.shape;
  const int32_t* first_keys = shape.first_keys != nullptr ? shape.first_keys + batch * shape.time : nullptr;
  bool fresh = work.carried == nullptr;
  int64_t first = first_keys != nullptr ? first_keys[query] / kBlock : 0;
  int64_t end = tiles_of(end_of_keys(shape, query + kBlock - 1), kBlock);
  if (first >= end && !fresh) return;
  start_block(work, packed.block, batch, head, query);
  for (int64_t from = first; from < end; from += kChunk) {
    int64_t blocks = end - from < kChunk ? end - from : kChunk;
    add_chunk(shape, packed, packed.block, query, from, blocks, first_keys, fresh && from == first);
  }
  finish_block(work, packed.block, batch, head, query);
}

void forward(const AttentionForward<Bf16>& work, int64_t batch, int64_t kv_head, void* memory) {
  TileUnit unit;
  const AttentionShape& shape = work.shape;
  Scratch scratch{static_cast<char*>(memory)};
  Packed packed = lay_out(shape, scratch);
  pack_right_transposed(keys_of(work.key, work.key_strides, batch, kv_head, shape), packed.keys);
  pack_right(keys_of(work.value, work.value_strides, batch, kv_head, shape), packed.values, nullptr);
  int64_t group = shape.heads / shape.kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    for (int64_t query = 0; query < shape.time; query += kBlock) run_block(work, packed, batch, head, query);
  }
}

}  // namespace

int64_t forward_scratch(const AttentionShape& shape) {
  char origin = 0;
  Scratch count{&origin};
  lay_out(shape, count);
  return count.used;
}

void attention_forward(const AttentionForward<Bf16>& work, int64_t batch, int64_t kv_head, void* scratch) {
  forward(work, batch, kv_head, scratch);
}

}  // namespace sextant::trainer::amx
