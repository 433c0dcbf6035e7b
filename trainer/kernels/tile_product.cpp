#include "trainer/kernels/tile_product.h"

#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>

#include "trainer/kernels/instruction_set.h"
#include "trainer/kernels/share_out.h"

namespace sextant::trainer {
namespace {

using amx::kStep;
using amx::kStepNumbers;
using amx::kSums;
constexpr int64_t kBlock = amx::kProductBlock;

// The left block of one inner product stays in the first cache (32 KiB), the packed right blocks and the sums
// in the second.
constexpr int64_t kInnerSteps = 12;
constexpr int64_t kPackedBytes = 768 << 10;
constexpr int64_t kWidestGroup = 24;  // right blocks

int64_t divided_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Where the sums of one 32 x 32 block go in the end.
struct BlockPlace {
  int64_t row, column, rows, columns;
};

// A stretch of depth within one factor.
struct Stretch {
  size_t factor;
  int64_t first, depth;

  int64_t steps() const { return divided_up(depth, kStep); }
};

// Depth in stretches whose packed right blocks, for a whole group, fit the second cache.
std::vector<Stretch> stretches_of(const TileProduct& product, int64_t longest) {
  std::vector<Stretch> result;
  for (size_t f = 0; f < product.factors.size(); ++f) {
    int64_t depth = product.factors[f].depth;
    int64_t parts = divided_up(depth, longest);
    int64_t each = divided_up(divided_up(depth, parts), kStep) * kStep;
    for (int64_t first = 0; first < depth; first += each)
      result.push_back({f, first, std::min(each, depth - first)});
  }
  return result;
}

// One thread's rectangle of the result, in blocks of 32.
struct Rectangle {
  int64_t first_row, last_row, first_column, last_column;
};

template <class Finish>
class Worker {
 public:
  Worker(const TileProduct& product, const Rectangle& part, const Finish& finish)
      : product_(product), part_(part), finish_(finish) {}

  void operator()() {
    int64_t columns = part_.last_column - part_.first_column;
    int64_t group = std::min(kWidestGroup, columns);
    int64_t longest = std::max<int64_t>(512, kPackedBytes / (group * kBlock * 2) / kStep * kStep);
    stretches_ = stretches_of(product_, longest);
    int64_t sum_rows = stretches_.size() == 1 ? 1 : part_.last_row - part_.first_row;
    auto* allocator = c10::GetCPUAllocator();
    int64_t left_numbers = kInnerSteps * kStepNumbers;
    int64_t right_numbers = group * divided_up(longest, kStep) * kStepNumbers;
    auto memory =
        allocator->allocate((left_numbers + right_numbers) * 2 + sum_rows * group * kSums * sizeof(float));
    left_ = static_cast<Bf16*>(memory.get());
    right_ = left_ + left_numbers;
    sums_ = reinterpret_cast<float*>(right_ + right_numbers);
    amx::begin_product();
    for (int64_t column = part_.first_column; column < part_.last_column; column += group)
      run_group(column, std::min(group, part_.last_column - column));
    amx::end_product();
  }

 private:
  void run_group(int64_t first_column, int64_t count) {
    for (size_t s = 0; s < stretches_.size(); ++s) {
      const Stretch& stretch = stretches_[s];
      for (int64_t i = 0; i < count; ++i)
        pack_right(first_column + i, stretch, right_ + i * stretch.steps() * kStepNumbers);
      for (int64_t row = part_.first_row; row < part_.last_row; ++row) {
        float* sums = stretches_.size() == 1 ? sums_ : sums_ + (row - part_.first_row) * count * kSums;
        multiply_row(row, first_column, s, count, sums);
      }
    }
  }

  // One row of blocks times the packed group.
  void multiply_row(int64_t row, int64_t first_column, size_t s, int64_t count, float* sums) {
    const Stretch& stretch = stretches_[s];
    for (int64_t step = 0; step < stretch.steps(); step += kInnerSteps) {
      int64_t steps = std::min(kInnerSteps, stretch.steps() - step);
      pack_left(row, stretch, step, steps);
      bool from_zero = s == 0 && step == 0;
      bool last = s + 1 == stretches_.size() && step + steps == stretch.steps();
      bool whole = from_zero && last;  // sums need not outlive the block
      for (int64_t i = 0; i < count; ++i) {
        amx::Steps right{right_ + i * stretch.steps() * kStepNumbers + step * kStepNumbers / 2,
                         stretch.steps()};
        float* block = whole ? sums : sums + i * kSums;
        (from_zero ? amx::multiply_steps : amx::multiply_add_steps)({left_, steps}, right, steps, block);
        if (last) finish_(block, place(row, first_column + i));
      }
    }
  }

  void pack_left(int64_t row, const Stretch& stretch, int64_t step, int64_t steps) {
    const TileMatrix& matrix = product_.factors[stretch.factor].left;
    int64_t first = stretch.first + step * kStep,
            depth = std::min(steps * kStep, stretch.depth - step * kStep);
    int64_t rows = std::min(kBlock, product_.m - row * kBlock);
    if (product_.left == Lies::kStraight) {
      const Bf16* from = matrix.data + row * kBlock * matrix.stride + first;
      amx::pack_left_block({from, matrix.stride, rows, depth}, left_);
    } else {
      const Bf16* from = matrix.data + first * matrix.stride + row * kBlock;
      amx::pack_left_block_transposed({from, matrix.stride, depth, rows}, left_);
    }
  }

  void pack_right(int64_t column, const Stretch& stretch, Bf16* to) const {
    const TileMatrix& matrix = product_.factors[stretch.factor].right;
    int64_t columns = std::min(kBlock, product_.n - column * kBlock);
    if (product_.right == Lies::kStraight) {
      const Bf16* from = matrix.data + stretch.first * matrix.stride + column * kBlock;
      amx::pack_right_block({from, matrix.stride, stretch.depth, columns}, to);
    } else {
      const Bf16* from = matrix.data + column * kBlock * matrix.stride + stretch.first;
      amx::pack_right_block_transposed({from, matrix.stride, columns, stretch.depth}, to);
    }
  }

  BlockPlace place(int64_t row, int64_t column) const {
    row *= kBlock, column *= kBlock;
    return {row, column, std::min(kBlock, product_.m - row), std::min(kBlock, product_.n - column)};
  }

  const TileProduct& product_;
  Rectangle part_;
  const Finish& finish_;
  std::vector<Stretch> stretches_;
  Bf16 *left_ = nullptr, *right_ = nullptr;
  float* sums_ = nullptr;
};

template <class Finish>
void run(const TileProduct& product, const Finish& finish) {
  int64_t rows = divided_up(product.m, kBlock), columns = divided_up(product.n, kBlock);
  int64_t threads = at::get_num_threads();
  bool by_columns = columns >= 4 * threads || columns >= rows;
  int64_t whole = by_columns ? columns : rows;
  share_out(0, whole, divided_up(whole, threads), [&](int64_t first, int64_t last) {
    Rectangle part = by_columns ? Rectangle{0, rows, first, last} : Rectangle{first, last, 0, columns};
    Worker<Finish>(product, part, finish)();
  });
}

}  // namespace

bool tile_unit() {
  return instruction_set() == InstructionSet::kAmx;
}

void multiply(const TileProduct& product, Bf16* result, int64_t stride, const Bf16* bias) {
  run(product, [=](const float* sums, const BlockPlace& place) {
    amx::finish(sums, bias == nullptr ? nullptr : bias + place.column,
                {result + place.row * stride + place.column, stride, place.rows, place.columns});
  });
}

void multiply(const TileProduct& product, float* result, int64_t stride, Lies lies, parallel::Onto onto) {
  run(product, [=](float* sums, const BlockPlace& place) {
    amx::Target<float> target{result + place.row * stride + place.column, stride, place.rows, place.columns};
    if (lies == Lies::kTransposed) {
      amx::transpose_sums(sums);
      target = {result + place.column * stride + place.row, stride, place.columns, place.rows};
    }
    (onto == parallel::Onto::kWrite ? amx::write : amx::add)(sums, target);
  });
}

}  // namespace sextant::trainer
