#include "trainer/model/capacity.h"

#include <ATen/ATen.h>

#include <cmath>

namespace sextant::trainer {
namespace {

// All ranks' [B, T, ...] side by side along T, [B, n T, ...].
at::Tensor side_by_side(const at::Tensor& part, parallel::Group* group) {
  if (group == nullptr || group->size() == 1) return part;
  auto shape = part.sizes().vec();
  shape.insert(shape.begin(), group->size());
  at::Tensor all = at::empty(shape, part.options());  // [n, B, T, ...]
  group->all_gather(all, part.contiguous());
  return at::cat(all.unbind(0), 1);
}

int64_t rank_in(const parallel::Group* group) {
  return group == nullptr ? 0 : group->rank().value();
}

int64_t size_of(const parallel::Group* group) {
  return group == nullptr ? 1 : group->size();
}

// Each choice's place among those of its row for the same expert, in the order in which they stand. [B, M].
at::Tensor places(const at::Tensor& experts, int64_t count) {
  auto [sorted, from] = at::sort(experts, /*stable=*/true, 1, /*descending=*/false);  // [B, M]
  at::Tensor tally =
      at::zeros({experts.size(0), count}, experts.options()).scatter_add_(1, experts, at::ones_like(experts));
  at::Tensor before = tally.cumsum(1) - tally;  // [B, E]: choices of the experts that sort before
  at::Tensor place = at::arange(experts.size(1), experts.options()).unsqueeze(0) - before.gather(1, sorted);
  return at::empty_like(place).scatter_(1, from, place);
}

}  // namespace

at::Tensor kept_choices(const at::Tensor& experts, const at::Tensor& order, int64_t count, double factor,
                        const ModelPart& part) {
  int64_t rows = experts.size(0), time = experts.size(1), choices = experts.size(2);
  at::Tensor both = at::cat({experts, order.unsqueeze(2)}, 2);                        // [B, T, k + 1]
  at::Tensor whole = side_by_side(side_by_side(both, part.tensor), part.context);     // [B, n T, k + 1]
  at::Tensor turn = std::get<1>(at::sort(whole.select(2, choices), true, 1, false));  // [B, n T]
  at::Tensor index = turn.unsqueeze(2).expand({rows, whole.size(1), choices});
  at::Tensor chosen = whole.narrow(2, 0, choices);
  at::Tensor place = places(chosen.gather(1, index).reshape({rows, -1}), count).view(index.sizes());
  double share = factor * static_cast<double>(whole.size(1) * choices) / static_cast<double>(count);
  at::Tensor kept = at::empty(place.sizes(), place.options().dtype(at::kBool));
  kept.scatter_(1, index, place < static_cast<int64_t>(std::ceil(share)));
  int64_t here = rank_in(part.context) * size_of(part.tensor) + rank_in(part.tensor);
  return kept.narrow(1, here * time, time).reshape({rows * time, choices});
}

}  // namespace sextant::trainer
