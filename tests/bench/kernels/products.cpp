#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "tests/bench/kernels/measure.h"
#include "trainer/kernels/linear.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::bench {
namespace {

using parallel::Onto;

struct Shape {
  const char* name;
  int64_t rows, out, in;
};

// The small model's feed-forward up and down at batch 16, and the 124M model's at batch 4.
const Shape kShapes[] = {{"4096 x 1536 x 384", 4096, 1536, 384},
                         {"4096 x 384 x 1536", 4096, 384, 1536},
                         {"1024 x 3072 x 768", 1024, 3072, 768},
                         {"1024 x 768 x 3072", 1024, 768, 3072}};

void add_products(const Shape& shape, std::vector<Contest>& contests) {
  at::Tensor x = at::randn({shape.rows, shape.in}).to(at::kBFloat16);
  at::Tensor weight = at::randn({shape.out, shape.in}).to(at::kBFloat16);
  at::Tensor grad = at::randn({shape.rows, shape.out}).to(at::kBFloat16);
  at::Tensor into = at::zeros({shape.out, shape.in});
  double work = 2.0 * static_cast<double>(shape.rows * shape.out * shape.in);
  std::string name = shape.name;
  contests.push_back({"linear " + name, "bf16", Bound::kArithmetic, work,
                      [=] { trainer::linear_forward(x, weight, {}); }, [=] { at::linear(x, weight); }});
  contests.push_back({"input gradient " + name, "bf16", Bound::kArithmetic, work,
                      [=] { trainer::linear_input_gradient({grad}, {weight}); },
                      [=] { at::matmul(grad, weight); }});
  contests.push_back({"weight gradient, fp32 " + name, "bf16", Bound::kArithmetic, work,
                      [=] { trainer::linear_weight_gradient(grad, x, into, Onto::kWrite); },
                      [=] { into.copy_(at::matmul(grad.t(), x)); }});
}

void add_loss(int64_t rows, int64_t vocabulary, int64_t width, std::vector<Contest>& contests) {
  at::Tensor hidden = at::randn({rows, width}).to(at::kBFloat16).requires_grad_(true);
  at::Tensor weight = (at::randn({vocabulary, width}) * 0.02).to(at::kBFloat16).requires_grad_(true);
  at::Tensor targets = at::arange(rows).remainder(vocabulary), ones = at::ones({rows});
  contests.push_back({"loss of " + std::to_string(vocabulary) + " words, forward and backward", "bf16",
                      Bound::kArithmetic, 6.0 * static_cast<double>(rows * vocabulary * width),
                      [=] {
                        at::AutoGradMode with_gradient(true);
                        trainer::linear_cross_entropy(hidden, weight, targets, ones, 1024).backward();
                      },
                      [=] {
                        at::AutoGradMode with_gradient(true);
                        at::Tensor logits = at::matmul(hidden, weight.t()).to(at::kFloat);
                        at::cross_entropy_loss(logits, targets, {}, at::Reduction::Sum).backward();
                      }});
}

}  // namespace

std::vector<Contest> product_contests() {
  std::vector<Contest> contests;
  for (const Shape& shape : kShapes) add_products(shape, contests);
  for (at::ScalarType type : {at::kBFloat16, at::kFloat}) {
    at::Tensor grad = at::randn({4096, 1536}).to(type), into = at::zeros({1536});
    contests.push_back({"bias gradient 4096 x 1536", type == at::kFloat ? "fp32" : "bf16", Bound::kMemory,
                        4096 * 1536 * static_cast<double>(grad.element_size()),
                        [=] { trainer::linear_bias_gradient(grad, into, Onto::kWrite); },
                        [=] { into.copy_(grad.sum(0)); }});
  }
  add_loss(4096, 65, 384, contests);
  add_loss(1024, 50257, 768, contests);
  return contests;
}

}  // namespace sextant::bench
