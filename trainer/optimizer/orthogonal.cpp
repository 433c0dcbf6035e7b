#include "trainer/optimizer/orthogonal.h"

#include <ATen/ATen.h>

namespace sextant::trainer {
namespace {

constexpr int kSteps = 5;
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
// Only keeps zero from being divided by zero.
constexpr double kSmallestNorm = 1e-7;

}  // namespace

at::Tensor orthogonalised(const at::Tensor& matrices) {
  bool tall = matrices.size(-2) > matrices.size(-1);
  at::Tensor x = tall ? matrices.transpose(-2, -1) : matrices;  // [..., short, long]: the smaller product
  at::Tensor norm = at::linalg_vector_norm(x, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true);
  x = x / norm.clamp_min(kSmallestNorm);
  for (int step = 0; step < kSteps; ++step) {
    at::Tensor gram = at::matmul(x, x.transpose(-2, -1));  // [..., short, short]
    at::Tensor mixed = kB * gram + kC * at::matmul(gram, gram);
    x = kA * x + at::matmul(mixed, x);
  }
  return tall ? x.transpose(-2, -1) : x;
}

}  // namespace sextant::trainer
