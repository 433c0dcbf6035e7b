#include "parallel/expert_dispatch.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <functional>

#include "parallel/base/error.h"

namespace sextant::parallel {

// Where rows stand in a buffer of n times `widest` places, `widest` for each rank at the other end.
struct ExpertDispatch::Places {
  Group* owners = nullptr;
  int64_t widest = 0;   // rows of the largest pair of ranks
  at::Tensor sent;      // [M] int64: the place of each row that leaves, in the order of this rank's rows
  at::Tensor received;  // [M'] int64: the place of each row that comes, in the order of this rank's experts

  // rows [len(from), C] at their places, exchanged, and those at the places `to` taken: [len(to), C].
  at::Tensor exchange(const at::Tensor& rows, const at::Tensor& from, const at::Tensor& to) const {
    int64_t channels = rows.size(1), places = owners->size() * widest;
    at::Tensor leaving = at::zeros({places, channels}, rows.options());
    leaving.index_copy_(0, from.to(rows.device()), rows);
    at::Tensor coming = at::empty_like(leaving);
    owners->all_to_all(coming.view({owners->size(), widest, channels}),
                       leaving.view({owners->size(), widest, channels}));
    return coming.index_select(0, to.to(rows.device()));
  }
};

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Counts of a group as rows of numbers: [n, E].
at::Tensor all_counts(Group& owners, const at::Tensor& counts) {
  at::Tensor all = at::empty({owners.size(), counts.size(0)}, counts.options());
  owners.all_gather(all, counts.contiguous());
  return all;
}

// Numbers from `begin` on, `count` of them.
void append_range(int64_t begin, int64_t count, std::vector<int64_t>& numbers) {
  for (int64_t i = 0; i < count; ++i) numbers.push_back(begin + i);
}

}  // namespace

ExpertDispatch::ExpertDispatch(Group& owners, const at::Tensor& counts) {
  int64_t ranks = owners.size(), experts = counts.size(0), own = experts / ranks;
  expect(experts % ranks == 0, "experts are shared out in equal parts");
  if (ranks == 1) {
    received_.assign(counts.const_data_ptr<int64_t>(), counts.const_data_ptr<int64_t>() + experts);
    return;
  }
  at::Tensor all = all_counts(owners, counts);  // [n, E]
  auto count = all.accessor<int64_t, 2>();
  auto places = std::make_shared<Places>();
  places->owners = &owners;
  places->widest = std::max<int64_t>(1, all.view({ranks, ranks, own}).sum(2).max().item<int64_t>());
  int64_t me = owners.rank().value();
  std::vector<int64_t> sent, received;
  for (int64_t to = 0; to < ranks; ++to) {
    int64_t rows = 0;
    for (int64_t e = to * own; e < (to + 1) * own; ++e) rows += count[me][e];
    append_range(to * places->widest, rows, sent);
  }
  // In each rank's stretch its rows are sorted by expert.
  std::vector<int64_t> next(static_cast<size_t>(ranks));
  for (int64_t r = 0; r < ranks; ++r) next[static_cast<size_t>(r)] = r * places->widest;
  for (int64_t e = me * own; e < (me + 1) * own; ++e) {
    received_.push_back(0);
    for (int64_t from = 0; from < ranks; ++from) {
      append_range(next[static_cast<size_t>(from)], count[from][e], received);
      next[static_cast<size_t>(from)] += count[from][e];
      received_.back() += count[from][e];
    }
  }
  places->sent = at::tensor(sent, at::kLong);
  places->received = at::tensor(received, at::kLong);
  places_ = std::move(places);
}

namespace {

// One direction; backward is the other one.
class Exchange : public torch::autograd::Function<Exchange> {
 public:
  using Move = std::function<at::Tensor(const at::Tensor&)>;
  struct Way : torch::CustomClassHolder {
    Move there, back;
  };

  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const c10::intrusive_ptr<Way>& way) {
    context->saved_data["way"] = c10::IValue::make_capsule(way);
    return way->there(rows);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto way = c10::static_intrusive_pointer_cast<Way>(context->saved_data["way"].toCapsule());
    return {way->back(grads[0].contiguous()), at::Tensor()};
  }
};

at::Tensor moved(const at::Tensor& rows, Exchange::Move there, Exchange::Move back) {
  auto way = c10::make_intrusive<Exchange::Way>();
  way->there = std::move(there);
  way->back = std::move(back);
  return Exchange::apply(rows, way);
}

}  // namespace

at::Tensor ExpertDispatch::to_owners(const at::Tensor& rows) const {
  if (!places_) return rows;
  return moved(
      rows, [p = places_](const at::Tensor& x) { return p->exchange(x, p->sent, p->received); },
      [p = places_](const at::Tensor& x) { return p->exchange(x, p->received, p->sent); });
}

at::Tensor ExpertDispatch::from_owners(const at::Tensor& rows) const {
  if (!places_) return rows;
  return moved(
      rows, [p = places_](const at::Tensor& x) { return p->exchange(x, p->received, p->sent); },
      [p = places_](const at::Tensor& x) { return p->exchange(x, p->sent, p->received); });
}

}  // namespace sextant::parallel
