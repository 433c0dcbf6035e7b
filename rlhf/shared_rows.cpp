#include "rlhf/shared_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "parallel/autograd_collectives.h"
#include "rlhf/episode_rows.h"

namespace sextant::rlhf {
namespace {

bool first_of(const parallel::Group* group) {
  return group == nullptr || group->rank() == Rank(0);
}

int64_t size_of(const parallel::Group* group) {
  return group == nullptr ? 1 : group->size();
}

}  // namespace

at::Tensor whole_hidden(const trainer::Transformer& model, const at::Tensor& hidden) {
  parallel::Group* tensor = model.part().tensor;
  return tensor == nullptr ? hidden : parallel::gather(hidden, 1, *tensor);
}

at::Tensor whole_time(const trainer::Transformer& model, const at::Tensor& numbers) {
  parallel::Group* context = model.part().context;
  if (context == nullptr || !numbers.defined()) return numbers;
  return model.context_cut().joined(parallel::gather(numbers, 1, *context));
}

trainer::Rows whole_rows(const trainer::Transformer& model, const trainer::Rows& rows) {
  if (model.part().context == nullptr) return rows;
  auto whole = [&](const at::Tensor& part) { return whole_time(model, part); };
  trainer::Rows all{whole(rows.tokens),
                    whole(rows.targets),
                    whole(rows.loss_mask),
                    whole(rows.positions),
                    rows.documents,
                    {},
                    {}};
  for (const at::Tensor& column : rows.columns) all.columns.push_back(whole(column));
  return all;
}

int64_t context_ranks(const trainer::Transformer& model) {
  return size_of(model.part().context);
}

bool speaks_for_all(const trainer::Transformer& model) {
  return first_of(model.part().tensor) && first_of(model.part().context);
}

int64_t row_time(const std::vector<const Episode*>& episodes, const trainer::Transformer& model) {
  int64_t longest = 1, context = context_ranks(model);
  for (const Episode* episode : episodes) longest = std::max(longest, length_of(*episode));
  // A ring's rank holds two pieces; its tensor ranks share what it holds.
  bool ring = context > 1 && model.part().context_kind == parallel::MeshSettings::ring;
  int64_t part = std::lcm(context * (ring ? 2 : 1), context * size_of(model.part().tensor));
  return (longest + part - 1) / part * part;
}

}  // namespace sextant::rlhf
