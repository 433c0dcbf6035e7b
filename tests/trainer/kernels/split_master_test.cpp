#include "trainer/kernels/split_master.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sextant::trainer {
namespace {

at::Tensor bits_of(const at::Tensor& x) {
  return x.view(at::kInt);
}

// Every upper half with this lower one; zeros, denormals, infinities and NaNs of both signs among them.
at::Tensor all_with(int64_t lower) {
  return (at::arange(65536, at::kLong).mul_(65536) + lower).to(at::kInt).view(at::kFloat);
}

SplitMaster split_of(const at::Tensor& master) {
  SplitMaster split(at::empty(master.sizes(), at::kBFloat16));
  split.put(master);
  return split;
}

TEST(SplitMaster, EveryNumberComesBack) {
  // Around the tie, where the value rounds up, and the ends; the tie itself is the one that needs its bit.
  for (int64_t lower : {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff}) {
    at::Tensor master = all_with(lower), number = at::isnan(master).logical_not_();
    SplitMaster split = split_of(master);
    at::Tensor back = split.joined();
    EXPECT_TRUE(at::equal(bits_of(back).masked_select(number), bits_of(master).masked_select(number)))
        << lower;
    EXPECT_TRUE(at::equal(at::isnan(back), at::isnan(master))) << lower;
    at::Tensor value = split.tensors()[0];
    EXPECT_TRUE(at::equal(value.view(at::kShort).masked_select(number),
                          master.to(at::kBFloat16).view(at::kShort).masked_select(number)))
        << lower << ": the value is rounded as ATen rounds";
    EXPECT_TRUE(at::equal(at::isnan(value), at::isnan(master))) << lower;
  }
}

TEST(SplitMaster, BeginsAsItsValue) {
  at::Tensor value = at::arange(37, at::kFloat).sin().to(at::kBFloat16);
  EXPECT_TRUE(at::equal(SplitMaster(value).joined(), value.to(at::kFloat)));
}

TEST(SplitMaster, RangesAreOfTheSameMemory) {
  at::Tensor ties = all_with(0x8000).narrow(0, 0x3f00, 64);
  SplitMaster whole = split_of(ties.neg());
  // No range begins with a byte of ties.
  whole.narrow(3, 10).put(ties.narrow(0, 3, 10));
  whole.narrow(29, 0).put(ties.narrow(0, 29, 0));
  whole.narrow(50, 14).narrow(1, 5).put(ties.narrow(0, 51, 5));
  at::Tensor expected = ties.neg();
  expected.narrow(0, 3, 10).copy_(ties.narrow(0, 3, 10));
  expected.narrow(0, 51, 5).copy_(ties.narrow(0, 51, 5));
  EXPECT_TRUE(at::equal(whole.joined(), expected));
  EXPECT_TRUE(at::equal(whole.narrow(9, 45).joined(), expected.narrow(0, 9, 45)));
}

TEST(SplitMaster, TakesTwoBytesAndABitBesideTheValue) {
  SplitMaster split(at::empty({1600}, at::kBFloat16));
  EXPECT_EQ(split.tensors()[1].nbytes() + split.tensors()[2].nbytes(), 1600 * 2 + 1600 / 8);
}

}  // namespace
}  // namespace sextant::trainer
