#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

// The library, the driver and the device together, before anything of ours: what fails here is the set-up.
namespace sextant {
namespace {

double relative_error(const at::Tensor& got, const at::Tensor& exact) {
  at::Tensor difference = got.to(at::kDouble) - exact.to(at::kDouble);
  return (difference.norm() / exact.to(at::kDouble).norm()).item<double>();
}

// bfloat16 keeps 8 bits: rounding the result alone costs 2e-3, and attention rounds a few times on the way.
constexpr double kBf16Tolerance = 2e-2;

TEST(Device, IsThereAndNewEnough) {
  ASSERT_TRUE(at::hasCUDA());
  const cudaDeviceProp* device = at::cuda::getCurrentDeviceProperties();
  EXPECT_GE(device->major, 8) << device->name
                              << ": the build holds code for compute capability 8.0 and later";
}

TEST(Device, Bf16ProductsAreNearFp64) {
  at::Tensor a = at::randn({512, 768}, at::TensorOptions(at::kCUDA).dtype(at::kBFloat16));
  at::Tensor b = at::randn({768, 1024}, at::TensorOptions(at::kCUDA).dtype(at::kBFloat16));
  EXPECT_LT(relative_error(a.mm(b), a.to(at::kDouble).mm(b.to(at::kDouble))), kBf16Tolerance);
}

// Plain attention of one head in the inputs' own type.
at::Tensor attention_by_hand(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  int64_t time = query.size(-2);
  at::Tensor scores = query.matmul(key.transpose(-1, -2)) / std::sqrt(static_cast<double>(query.size(-1)));
  at::Tensor later = at::ones({time, time}, query.options().dtype(at::kBool)).triu(1);
  return scores.masked_fill(later, -INFINITY).softmax(-1).matmul(value);  // [B, H, T, D]
}

TEST(Device, AttentionForwardAndBackwardAreNearFp64) {
  std::vector<at::Tensor> narrow, wide;
  for (int i = 0; i < 3; ++i) {
    narrow.push_back(at::randn({2, 4, 128, 64}, at::TensorOptions(at::kCUDA).dtype(at::kBFloat16)));
    wide.push_back(narrow.back().to(at::kDouble).requires_grad_());
    narrow.back().requires_grad_();
  }
  at::Tensor got =
      at::scaled_dot_product_attention(narrow[0], narrow[1], narrow[2], {}, 0.0, /*is_causal=*/true);
  at::Tensor exact = attention_by_hand(wide[0], wide[1], wide[2]);
  EXPECT_LT(relative_error(got, exact), kBf16Tolerance);
  at::Tensor direction = at::randn_like(got);
  (got * direction).sum().backward();
  (exact * direction.to(at::kDouble)).sum().backward();
  for (size_t i = 0; i < 3; ++i) EXPECT_LT(relative_error(narrow[i].grad(), wide[i].grad()), kBf16Tolerance);
}

}  // namespace
}  // namespace sextant
