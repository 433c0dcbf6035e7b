#include "trainer/kernels/ring_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "parallel/autograd_collectives.h"
#include "parallel/base/error.h"
#include "parallel/ring.h"
#include "trainer/kernels/attention_part.h"

namespace sextant::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Which queries of this rank read which keys of the owner: two neighbouring stretches of what each holds.
struct Meeting {
  int64_t first_query, queries, first_key, keys;
  KeyRange range;
};

// This rank's side of the ring. C = T / 2n is a chunk.
class RingSide {
 public:
  // first_keys [B, 2 C] as places in the row, or undefined.
  RingSide(parallel::Group& context, int64_t time, at::Tensor first_keys)
      : rank_(context.rank().value()),
        chunks_(2 * context.size()),
        chunk_(time / 2),
        first_keys_(std::move(first_keys)) {
    expect(time % 2 == 0, "each rank holds two chunks of a row");
  }

  // What is to be done with the owner's keys; nothing where no query reads any of them.
  std::optional<Meeting> meet(int64_t owner) const {
    Meeting meeting = stretches(owner);
    if (!first_keys_.defined()) return meeting;
    // A place in the row as the number of the owner's keys before it.
    at::Tensor places = first_keys_.narrow(1, meeting.first_query, meeting.queries);
    auto before = [&](int64_t chunk) { return places.sub(chunk * chunk_).clamp_(0, chunk_); };
    meeting.range.first_keys = before(owner).add_(before(chunks_ - 1 - owner));  // [B, queries]
    if (meeting.range.first_keys.min().item<int32_t>() >= meeting.keys) return std::nullopt;
    return meeting;
  }

 private:
  // Keys that lie behind: those of the first chunk for ranks after the owner, of both chunks for the second
  // chunk of ranks before it.
  Meeting stretches(int64_t owner) const {
    if (owner == rank_) return {0, 2 * chunk_, 0, 2 * chunk_, {{}, 0}};
    if (owner < rank_) return {0, 2 * chunk_, 0, chunk_, {{}, chunk_}};
    return {chunk_, chunk_, 0, 2 * chunk_, {{}, 2 * chunk_}};
  }

  int64_t rank_, chunks_, chunk_;
  at::Tensor first_keys_;
};

class RingAttention : public torch::autograd::Function<RingAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& query, const at::Tensor& key,
                            const at::Tensor& value, const std::optional<at::Tensor>& first_keys,
                            parallel::Group* group, InstructionSet set) {
    at::Tensor firsts = first_keys.value_or(at::Tensor());
    RingSide side(*group, query.size(2), firsts);
    AttentionState state = empty_attention(query);
    at::Tensor mine = at::stack({key, value});  // [2, B, KV, T/n, D]
    parallel::around_ring(*group, mine, [&](Rank owner, const at::Tensor& piece) {
      auto meeting = side.meet(owner.value());
      if (!meeting) return;
      at::Tensor keys = piece.narrow(3, meeting->first_key, meeting->keys);
      attend_part(query.narrow(2, meeting->first_query, meeting->queries), keys[0], keys[1], meeting->range,
                  state.narrow(meeting->first_query, meeting->queries), set);
    });
    at::Tensor output = state.mixed.to(query.scalar_type());  // [B, H, T/n, D]
    context->save_for_backward({query, key, value, firsts, output, state.log_sum_exp});
    parallel::keep_group(context, *group);
    context->saved_data["set"] = static_cast<int64_t>(set);
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    at::Tensor query = saved[0], output = saved[4], log_sum_exp = saved[5], grad = grads[0];
    parallel::Group& group = parallel::kept_group(context);
    auto set = static_cast<InstructionSet>(context->saved_data["set"].toInt());
    RingSide side(group, query.size(2), saved[3]);
    at::Tensor dquery = at::zeros_like(output, log_sum_exp.options());  // [B, H, T/n, D]
    at::Tensor mine = at::stack({saved[1], saved[2]});                  // [2, B, KV, T/n, D]
    at::Tensor zeros = at::zeros(mine.sizes(), dquery.options());
    auto visit = [&](Rank owner, const at::Tensor& piece) -> parallel::RingAddition {
      auto meeting = side.meet(owner.value());
      if (!meeting) return {};
      int64_t first = meeting->first_query, count = meeting->queries, at = meeting->first_key;
      at::Tensor keys = piece.narrow(3, at, meeting->keys);
      at::Tensor dkeys = at::zeros(keys.sizes(), dquery.options());
      attend_part_backward(grad.narrow(2, first, count), query.narrow(2, first, count), keys[0], keys[1],
                           meeting->range, output.narrow(2, first, count),
                           log_sum_exp.narrow(2, first, count),
                           {dquery.narrow(2, first, count), dkeys[0], dkeys[1]}, set);
      return [dkeys, at](const at::Tensor& sum) { sum.narrow(3, at, dkeys.size(3)).add_(dkeys); };
    };
    at::Tensor sums = parallel::around_ring_summing(group, mine, zeros, visit).to(query.scalar_type());
    return {dquery.to(query.scalar_type()), sums[0], sums[1], at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor ring_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const at::Tensor& first_keys, parallel::Group& context, InstructionSet set) {
  auto firsts = first_keys.defined() ? std::optional(first_keys) : std::nullopt;
  return RingAttention::apply(query, key, value, firsts, &context, set);
}

}  // namespace sextant::trainer
