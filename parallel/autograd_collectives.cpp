#include "parallel/autograd_collectives.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "parallel/along_dim.h"

namespace sextant::parallel {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct GroupHolder : torch::CustomClassHolder {
  explicit GroupHolder(Group* to_hold) : group(to_hold) {}
  Group* group;
};

class Gather : public torch::autograd::Function<Gather> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& part, int64_t dim, Group* group,
                            bool tree) {
    keep_group(context, *group);
    context->saved_data["dim"] = dim;
    context->saved_data["tree"] = tree;
    return gathered(part, dim, *group);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    int64_t dim = context->saved_data["dim"].toInt();
    SumOrder order = context->saved_data["tree"].toBool() ? SumOrder::kTree : SumOrder::kAny;
    at::Tensor none;
    return {reduce_scattered(grads[0], dim, kept_group(context), order), none, none, none};
  }
};

class GatherAlike : public torch::autograd::Function<GatherAlike> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& part, int64_t dim, Group* group) {
    keep_group(context, *group);
    context->saved_data["dim"] = dim;
    return gathered(part, dim, *group);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    int64_t dim = context->saved_data["dim"].toInt();
    const Group& group = kept_group(context);
    int64_t part = grads[0].size(dim) / group.size();
    return {grads[0].narrow(dim, group.rank().value() * part, part), at::Tensor(), at::Tensor()};
  }
};

class ReduceScatter : public torch::autograd::Function<ReduceScatter> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& whole, int64_t dim, Group* group) {
    keep_group(context, *group);
    context->saved_data["dim"] = dim;
    return reduce_scattered(whole, dim, *group);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    int64_t dim = context->saved_data["dim"].toInt();
    return {gathered(grads[0], dim, kept_group(context)), at::Tensor(), at::Tensor()};
  }
};

class AllToAll : public torch::autograd::Function<AllToAll> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, int64_t split_dim,
                            int64_t concat_dim, Group* group) {
    keep_group(context, *group);
    context->saved_data["split"] = split_dim;
    context->saved_data["concat"] = concat_dim;
    return exchanged(x, split_dim, concat_dim, *group);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    int64_t split = context->saved_data["split"].toInt(), concat = context->saved_data["concat"].toInt();
    return {exchanged(grads[0], concat, split, kept_group(context)), at::Tensor(), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

void keep_group(AutogradContext* context, Group& group) {
  context->saved_data["group"] = c10::IValue::make_capsule(c10::make_intrusive<GroupHolder>(&group));
}

Group& kept_group(AutogradContext* context) {
  return *c10::static_intrusive_pointer_cast<GroupHolder>(context->saved_data["group"].toCapsule())->group;
}

at::Tensor gather(const at::Tensor& part, int64_t dim, Group& group, SumOrder order) {
  if (group.size() == 1) return part;
  return Gather::apply(part, dim, &group, order == SumOrder::kTree);
}

at::Tensor gather_alike(const at::Tensor& part, int64_t dim, Group& group) {
  if (group.size() == 1) return part;
  return GatherAlike::apply(part, dim, &group);
}

at::Tensor reduce_scatter(const at::Tensor& whole, int64_t dim, Group& group) {
  if (group.size() == 1) return whole;
  return ReduceScatter::apply(whole, dim, &group);
}

at::Tensor all_to_all(const at::Tensor& x, int64_t split_dim, int64_t concat_dim, Group& group) {
  if (group.size() == 1) return x;
  return AllToAll::apply(x, split_dim, concat_dim, &group);
}

}  // namespace sextant::parallel
