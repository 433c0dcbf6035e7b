#include "trainer/kernels/linear.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/column_sum.h"
#include "trainer/kernels/simd_memory.h"
#include "trainer/kernels/tile_product.h"

namespace sextant::trainer {
namespace {

using parallel::Onto;

// Below this many rows the packing costs more than the unit saves (one token's generation has one row).
constexpr int64_t kFewRows = 32;
// Fewer columns than this are not worth another thread's visit to the same pages.
constexpr int64_t kColumnsOfThread = 128;
// Outputs of a weight that are widened, or whose gradient ATen makes, at a time: a vocabulary's would be
// large.
constexpr int64_t kOutputsTogether = 4096;

at::Tensor flat_rows(const at::Tensor& x) {
  return x.reshape({-1, x.size(-1)});
}

bool fits_tiles(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kBFloat16 && x.dim() == 2 && x.stride(1) == 1;
}

// fits_tiles() for all, and rows enough.
bool on_tiles(const at::Tensor& x, const at::Tensor& other) {
  return fits_tiles(x) && fits_tiles(other) && x.size(0) >= kFewRows && tile_unit();
}

TileMatrix matrix(const at::Tensor& x) {
  return {memory_of<Bf16>(x), x.stride(0)};
}

void forward_on_tiles(const at::Tensor& result, const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias) {
  TileProduct product{{{matrix(x), matrix(weight), x.size(1)}},
                      Lies::kStraight,
                      Lies::kTransposed,
                      x.size(0),
                      weight.size(0)};
  multiply(product, memory_of<Bf16>(result), result.stride(0), memory_of<Bf16>(bias));
}

// The transposed side is packed once per thread and should be the narrower one.
void weight_gradient_on_tiles(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& into,
                              Onto onto) {
  bool narrow_grad = grad.size(1) < x.size(1);
  const at::Tensor &left = narrow_grad ? grad : x, &right = narrow_grad ? x : grad;
  TileProduct product{{{matrix(left), matrix(right), x.size(0)}},
                      Lies::kTransposed,
                      Lies::kStraight,
                      left.size(1),
                      right.size(1)};
  multiply(product, into.data_ptr<float>(), into.stride(0), narrow_grad ? Lies::kStraight : Lies::kTransposed,
           onto);
}

// do(first, count) for stretches of the outputs.
template <typename Do>
void for_outputs(int64_t out, Do&& stretch) {
  for (int64_t first = 0; first < out; first += kOutputsTogether) {
    stretch(first, std::min(kOutputsTogether, out - first));
  }
}

bool needs_widening(const at::Tensor& x) {
  return product_type(x.scalar_type(), x.device()) != x.scalar_type();
}

at::Tensor in_product_type(const at::Tensor& x) {
  return x.to(product_type(x.scalar_type(), x.device()));
}

// Products of bf16 are exact in fp32, sums are fp32's, and a result is rounded once, as a bf16 unit would do
// it.
void forward_widened(const at::Tensor& result, const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& bias) {
  at::Tensor rows = in_product_type(x);
  for_outputs(weight.size(0), [&](int64_t first, int64_t count) {
    at::Tensor product = at::mm(rows, in_product_type(weight.narrow(0, first, count)).t());
    if (bias.defined()) product.add_(bias.narrow(0, first, count));
    result.narrow(1, first, count).copy_(product);
  });
}

at::Tensor input_gradient_widened(const std::vector<at::Tensor>& grads,
                                  const std::vector<at::Tensor>& weights) {
  at::Tensor sum = at::zeros({grads[0].size(0), weights[0].size(1)}, grads[0].options().dtype(at::kFloat));
  for (size_t i = 0; i < grads.size(); ++i) {
    for_outputs(grads[i].size(1), [&](int64_t first, int64_t count) {
      sum.addmm_(in_product_type(grads[i].narrow(1, first, count)),
                 in_product_type(weights[i].narrow(0, first, count)));
    });
  }
  return sum.to(grads[0].scalar_type());
}

void weight_gradient_widened(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& into, Onto onto) {
  at::Tensor rows = in_product_type(x);
  for_outputs(grad.size(1), [&](int64_t first, int64_t count) {
    at::Tensor columns = in_product_type(grad.narrow(1, first, count)), part = into.narrow(0, first, count);
    if (into.scalar_type() == at::kFloat) {
      part.addmm_(columns.t(), rows, onto == Onto::kAdd ? 1 : 0);
    } else {
      at::Tensor product = at::mm(columns.t(), rows);
      onto == Onto::kAdd ? part.add_(product) : part.copy_(product);
    }
  });
}

// Threads share the columns, so that each sum has one order. into [out] fp32.
void add_column_sums(const at::Tensor& grad, const at::Tensor& into, InstructionSet set) {
  auto kernels = pick(set, plain::kColumnSumKernels, avx2::kColumnSumKernels, avx512::kColumnSumKernels);
  auto* sums = memory_of<float>(into);
  share_out(0, grad.size(1), kColumnsOfThread, [&](int64_t first, int64_t last) {
    if (grad.scalar_type() == at::kFloat) {
      kernels.fp32(memory_of<float>(grad), grad.stride(0), grad.size(0), first, last, sums);
    } else {
      kernels.bf16(memory_of<Bf16>(grad), grad.stride(0), grad.size(0), first, last, sums);
    }
  });
}

}  // namespace

at::Tensor linear_forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  at::Tensor rows = flat_rows(x);
  bool tiles = on_tiles(rows, weight) && (!bias.defined() || bias.is_contiguous());
  if (!tiles && !needs_widening(x))
    return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
  at::Tensor result = at::empty({rows.size(0), weight.size(0)}, x.options());
  (tiles ? forward_on_tiles : forward_widened)(result, rows, weight, bias);
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return result.view(shape);
}

void linear_forward_into(const at::Tensor& result, const at::Tensor& x, const at::Tensor& weight) {
  if (on_tiles(x, weight) && fits_tiles(result)) return forward_on_tiles(result, x, weight, at::Tensor());
  if (needs_widening(x)) return forward_widened(result, x, weight, at::Tensor());
  result.copy_(at::matmul(x, weight.t()));
}

at::Tensor linear_input_gradient(const std::vector<at::Tensor>& grads,
                                 const std::vector<at::Tensor>& weights) {
  expect(!grads.empty() && grads.size() == weights.size(), "a gradient for each layer");
  int64_t rows = grads[0].size(0), in = weights[0].size(1);
  bool tiles = true;
  TileProduct product{{}, Lies::kStraight, Lies::kStraight, rows, in};
  for (size_t i = 0; i < grads.size(); ++i) {
    tiles = tiles && on_tiles(grads[i], weights[i]);
    product.factors.push_back({matrix(grads[i]), matrix(weights[i]), grads[i].size(1)});
  }
  if (!tiles && needs_widening(grads[0])) return input_gradient_widened(grads, weights);
  if (!tiles) {
    at::Tensor result = at::matmul(grads[0], weights[0]);
    for (size_t i = 1; i < grads.size(); ++i) result.addmm_(grads[i], weights[i]);
    return result;
  }
  at::Tensor result = at::empty({rows, in}, grads[0].options());
  multiply(product, memory_of<Bf16>(result), in, nullptr);
  return result;
}

void linear_weight_gradient(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& into, Onto onto) {
  if (on_tiles(grad, x) && into.scalar_type() == at::kFloat && into.stride(1) == 1) {
    return weight_gradient_on_tiles(grad, x, into, onto);
  }
  if (needs_widening(x)) return weight_gradient_widened(grad, x, into, onto);
  if (into.scalar_type() == x.scalar_type()) {
    into.addmm_(grad.t(), x, onto == Onto::kAdd ? 1 : 0);
  } else {
    for_outputs(grad.size(1), [&](int64_t first, int64_t count) {
      at::Tensor product = at::matmul(grad.narrow(1, first, count).t(), x),
                 part = into.narrow(0, first, count);
      onto == Onto::kAdd ? part.add_(product) : part.copy_(product);
    });
  }
}

void linear_bias_gradient(const at::Tensor& grad, const at::Tensor& into, Onto onto, InstructionSet set) {
  bool plain = into.scalar_type() == at::kFloat && into.is_contiguous();
  if (plain && fits_simd(grad) && grad.stride(1) == 1) {
    if (onto == Onto::kWrite) into.zero_();
    return add_column_sums(grad, into, set);
  }
  auto wide = at::isReducedFloatingType(into.scalar_type()) ? at::kFloat : into.scalar_type();
  at::Tensor sum = at::sum(grad, {0}, false, wide);
  onto == Onto::kAdd ? into.add_(sum) : into.copy_(sum);
}

at::ScalarType product_type(at::ScalarType type, at::Device device, InstructionSet set) {
  return device.is_cpu() && type == at::kBFloat16 && set < InstructionSet::kAvx512 ? at::kFloat : type;
}

}  // namespace sextant::trainer
