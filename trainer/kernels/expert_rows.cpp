#include "trainer/kernels/expert_rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace sextant::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// With a row of zeros behind the last one, for choices that were dropped.
at::Tensor with_zero_row(const at::Tensor& rows, const at::Tensor& row) {
  if (rows.size(0) == row.numel()) return rows;
  return at::cat({rows, at::zeros({1, rows.size(1)}, rows.options())});
}

// Sum over j of weights[:, j] rows[row[:, j]]; weights undefined: all 1. [N, C] of the rows' type.
at::Tensor sum_of_choices(const at::Tensor& rows, const at::Tensor& row, const at::Tensor& weights) {
  at::Tensor padded = with_zero_row(rows, row), sum;
  auto wide = wide_type(rows);
  for (int64_t j = 0; j < row.size(1); ++j) {
    at::Tensor part = padded.index_select(0, row.select(1, j)).to(wide);  // [N, C]
    if (weights.defined()) part = part.mul_(weights.narrow(1, j, 1));
    sum = sum.defined() ? sum.add_(part) : part;
  }
  return sum.to(rows.scalar_type());
}

class Spread : public torch::autograd::Function<Spread> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& choice,
                            const at::Tensor& row) {
    context->save_for_backward({row});
    return x.index_select(0, at::floor_divide(choice, row.size(1)));
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    at::Tensor row = context->get_saved_variables()[0];
    return {sum_of_choices(grads[0], row, at::Tensor()), at::Tensor(), at::Tensor()};
  }
};

class Combine : public torch::autograd::Function<Combine> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows, const at::Tensor& weights,
                            const at::Tensor& choice, const at::Tensor& row) {
    context->save_for_backward({rows, weights, choice, row});
    return sum_of_choices(rows, row, weights);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &rows = saved[0], &weights = saved[1], &choice = saved[2];
    auto wide = wide_type(rows);
    at::Tensor token = at::floor_divide(choice, weights.size(1));  // [M]
    at::Tensor grad = grads[0].index_select(0, token).to(wide);    // [M, C]
    at::Tensor own = weights.reshape({-1}).index_select(0, choice);
    at::Tensor dots = at::mul(grad, rows).sum(1);  // [M]
    at::Tensor dweights = at::zeros({weights.numel()}, weights.options()).index_copy_(0, choice, dots);
    at::Tensor drows = grad.mul_(own.unsqueeze(1)).to(rows.scalar_type());
    return {drows, dweights.view(weights.sizes()), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

ExpertRows sort_by_expert(const at::Tensor& experts, int64_t count, const at::Tensor& kept) {
  // Dropped choices sort behind all experts.
  at::Tensor flat = (kept.defined() ? at::where(kept, experts, count) : experts).reshape({-1});  // [N k]
  at::Tensor order = std::get<1>(at::sort(flat, /*stable=*/true, 0, /*descending=*/false));
  ExpertRows rows;
  rows.counts = at::bincount(flat, {}, count + 1).narrow(0, 0, count).to(at::kCPU);
  int64_t total = rows.counts.sum().item<int64_t>();
  rows.choice = order.narrow(0, 0, total).contiguous();
  rows.row = at::full({flat.size(0)}, total, flat.options());
  rows.row.index_copy_(0, rows.choice, at::arange(total, flat.options()));
  rows.row = rows.row.view(experts.sizes());
  return rows;
}

at::Tensor spread(const at::Tensor& x, const ExpertRows& order) {
  return Spread::apply(x, order.choice, order.row);
}

at::Tensor combine(const at::Tensor& rows, const at::Tensor& weights, const ExpertRows& order) {
  return Combine::apply(rows, weights, order.choice, order.row);
}

}  // namespace sextant::trainer
