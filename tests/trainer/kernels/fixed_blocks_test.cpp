// Shared layers in fixed blocks: the same bits on any number of ranks. Their gradients: shared_layers_test.
#include "trainer/kernels/fixed_blocks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "parallel/group_threads.h"
#include "tests/harness/finite_differences.h"
#include "trainer/kernels/fused_linear.h"

namespace sextant::trainer::fixed_blocks_test {
namespace {

using parallel::GradientSink;
using parallel::Group;
using parallel::Onto;
using testing_harness::wavy;

TEST(RowsOfBlocks, ComeAndGo) {
  at::Tensor x = wavy({2, 8, 3}, 1), row = as_row_of_blocks(x, 4);
  EXPECT_EQ(row.sizes(), (std::vector<int64_t>{1, 16, 3}));
  // The first block has the first two tokens of both rows.
  EXPECT_TRUE(at::equal(row[0].narrow(0, 2, 2), x[1].narrow(0, 0, 2)));
  EXPECT_TRUE(at::equal(from_row_of_blocks(row, x.sizes(), 4), x));
}

// Adds up what it is given as whole numbers, as reproducible sums do, and counts parts.
class Integers : public GradientSink {
 public:
  void take(const std::function<void(const at::Tensor&, Onto)>& write) override { add(write); }
  void take_part(const std::function<void(const at::Tensor&, Onto)>& write) override { add(write); }
  explicit Integers(const at::IntArrayRef& shape) : sum(at::zeros(shape, at::kLong)) {}

  at::Tensor sum;
  int64_t parts = 0;

 private:
  void add(const std::function<void(const at::Tensor&, Onto)>& write) {
    at::Tensor into = at::empty(sum.sizes(), at::kFloat);
    write(into, Onto::kWrite);
    sum += at::round(into * 65536).to(at::kLong);
    ++parts;
  }
};

// A feed-forward of 4 blocks on 1, 2 and 4 ranks: result, input's gradient and the norm's in whole numbers.
struct Bits {
  at::Tensor y, dx, dnorm;
};

Bits bits_on(int64_t ranks, at::ScalarType type) {
  constexpr int64_t kBlocks = 4, kTime = 64, kWidth = 32, kHidden = 128;
  std::vector<Bits> all(static_cast<size_t>(ranks));
  parallel::run_ranks(ranks, [&](Group& group) {
    auto part = [&](const at::Tensor& whole, int64_t dim) {
      return whole.to(type).chunk(ranks, dim)[static_cast<size_t>(group.rank().value())].contiguous();
    };
    at::Tensor x = part(wavy({2, kTime, kWidth}, 1), 1).requires_grad_(true);
    at::Tensor norm_weight = (wavy({kWidth}, 2) + 1.5).to(type).requires_grad_(true);
    at::Tensor up = part(wavy({kHidden, kWidth}, 3), 0), down = part(wavy({kWidth, kHidden}, 4), 1);
    Integers dnorm(at::IntArrayRef{kWidth});
    TensorShare share{ranks > 1 ? &group : nullptr, Stream::kShards, kBlocks / ranks};
    at::Tensor inside = norm_linear(as_row_of_blocks(x, share.blocks), norm_weight, at::Tensor(), 1e-5,
                                    {{up, {}}}, Produced::kKeep, share, {&dnorm, nullptr})[0];
    at::Tensor y = from_row_of_blocks(activation_linear({}, inside, {down, {}}, Produced::kKeep, share),
                                      x.sizes(), share.blocks);
    (y * part(wavy({2, kTime, kWidth}, 5), 1)).sum().backward();
    EXPECT_EQ(dnorm.parts, share.blocks);
    at::Tensor sum = dnorm.sum.clone();
    group.all_reduce(sum);
    all[static_cast<size_t>(group.rank().value())] = {y.detach(), x.grad(), sum};
  });
  Bits whole{{}, {}, all[0].dnorm};
  std::vector<at::Tensor> y, dx;
  for (const Bits& each : all) y.push_back(each.y), dx.push_back(each.dx);
  whole.y = at::cat(y, 1), whole.dx = at::cat(dx, 1);
  return whole;
}

TEST(FixedBlocksBits, AreThoseOfOneRank) {
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    Bits one = bits_on(1, type);
    for (int64_t ranks : {2, 4}) {
      Bits more = bits_on(ranks, type);
      EXPECT_TRUE(at::equal(more.y, one.y)) << type << " on " << ranks;
      EXPECT_TRUE(at::equal(more.dx, one.dx)) << type << " on " << ranks;
      EXPECT_TRUE(at::equal(more.dnorm, one.dnorm)) << type << " on " << ranks;
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::fixed_blocks_test
