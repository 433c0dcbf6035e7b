#include "parallel/along_dim.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "parallel/base/error.h"
#include "parallel/tree_sum.h"

namespace sextant::parallel {
namespace {

// [.., d, ..] to [n, .., d/n, ..], contiguous: without a copy where only dims of size 1 come before `dim`.
at::Tensor pieces_of(const at::Tensor& x, int64_t dim, const Group& group) {
  int64_t n = group.size(), extent = x.size(dim);
  expect(dim >= 0 && extent % n == 0, "the group's ranks divide the dim that they share");
  return x.detach().unflatten(dim, {n, extent / n}).movedim(dim, 0).contiguous();
}

}  // namespace

at::Tensor Arriving::take() {
  at::NoGradGuard no_grad;
  if (work_) work_->wait();
  work_.reset();
  sent_.reset();
  at::Tensor result = std::move(result_);
  if (summed_) return tree_sum(result.unbind(0));
  if (joined_dim_ < 0) return result;
  return result.movedim(0, joined_dim_).flatten(joined_dim_, joined_dim_ + 1);
}

void Arriving::progress() {
  if (work_) work_->progress();
}

Arriving start_gather(const at::Tensor& part, int64_t dim, Group& group) {
  Arriving arriving;
  arriving.result_ = part.detach();
  if (group.size() == 1) return arriving;
  arriving.sent_ = part.detach().contiguous();
  auto shape = part.sizes().vec();
  shape.insert(shape.begin(), group.size());
  arriving.result_ = at::empty(shape, part.options());  // [n, part]
  arriving.joined_dim_ = dim;
  arriving.work_ = group.all_gather_async(arriving.result_, arriving.sent_);
  return arriving;
}

Arriving start_reduce_scatter(const at::Tensor& whole, int64_t dim, Group& group, SumOrder order) {
  Arriving arriving;
  arriving.result_ = whole.detach();
  if (group.size() == 1) return arriving;
  arriving.sent_ = pieces_of(whole, dim, group);
  if (order == SumOrder::kTree) {
    arriving.summed_ = true;
    arriving.result_ = at::empty_like(arriving.sent_);
    arriving.work_ = group.all_to_all_async(arriving.result_, arriving.sent_);
    return arriving;
  }
  arriving.result_ = at::empty(arriving.sent_.sizes().slice(1), whole.options());
  arriving.work_ = group.reduce_scatter_async(arriving.result_, arriving.sent_);
  return arriving;
}

Arriving start_exchange(const at::Tensor& x, int64_t split_dim, int64_t concat_dim, Group& group) {
  Arriving arriving;
  arriving.result_ = x.detach();
  if (group.size() == 1) return arriving;
  arriving.sent_ = pieces_of(x, split_dim, group);
  arriving.result_ = at::empty_like(arriving.sent_);
  arriving.joined_dim_ = concat_dim;
  arriving.work_ = group.all_to_all_async(arriving.result_, arriving.sent_);
  return arriving;
}

at::Tensor gathered(const at::Tensor& part, int64_t dim, Group& group) {
  return start_gather(part, dim, group).take();
}

at::Tensor reduce_scattered(const at::Tensor& whole, int64_t dim, Group& group, SumOrder order) {
  return start_reduce_scatter(whole, dim, group, order).take();
}

at::Tensor exchanged(const at::Tensor& x, int64_t split_dim, int64_t concat_dim, Group& group) {
  return start_exchange(x, split_dim, concat_dim, group).take();
}

}  // namespace sextant::parallel
