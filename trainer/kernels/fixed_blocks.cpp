#include "trainer/kernels/fixed_blocks.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <optional>

#include "parallel/along_dim.h"
#include "parallel/base/error.h"
#include "parallel/tree_sum.h"
#include "trainer/kernels/carried.h"

namespace sextant::trainer {
namespace {

using parallel::GradientSink;
using parallel::Onto;
using parallel::SumOrder;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor flattened(const at::Tensor& x) {
  return x.reshape({-1, x.size(-1)});
}  // [N, last]

std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

// Block i of a dim, in memory as a rank that has no other would have it.
at::Tensor block_of(const at::Tensor& x, int64_t dim, int64_t i, int64_t blocks) {
  expect(x.size(dim) % blocks == 0, "blocks are of equal size");
  int64_t extent = x.size(dim) / blocks;
  return x.narrow(dim, i * extent, extent).contiguous();
}

// Where blocks of a dim 0 are written.
at::Tensor rows_of_block(const at::Tensor& x, int64_t i, int64_t blocks) {
  int64_t extent = x.size(0) / blocks;
  return x.narrow(0, i * extent, extent);
}

// One part of a gradient after the other, each of the weight's shape.
using WritePart = std::function<void(int64_t i, const at::Tensor& into, Onto onto)>;
at::Tensor in_parts(GradientSink* sink, int64_t blocks, const at::TensorOptions& options,
                    at::IntArrayRef sizes, const WritePart& part) {
  at::Tensor own = sink == nullptr ? at::empty(sizes, options) : at::Tensor();
  for (int64_t i = 0; i < blocks; ++i) {
    auto write = [part, i](const at::Tensor& into, Onto onto) { part(i, into, onto); };
    if (sink == nullptr) {
      write(own, i == 0 ? Onto::kWrite : Onto::kAdd);
    } else {
      i + 1 < blocks ? sink->take_part(write) : sink->take(write);
    }
  }
  return own;
}

// At once; undefined where the sink has it.
at::Tensor whole_gradient(GradientSink* sink, const at::TensorOptions& options, at::IntArrayRef sizes,
                          const std::function<void(const at::Tensor& into, Onto onto)>& write) {
  return in_parts(sink, 1, options, sizes,
                  [write](int64_t, const at::Tensor& into, Onto onto) { write(into, onto); });
}

void put(const at::Tensor& gradient, const at::Tensor& into, Onto onto) {
  onto == Onto::kAdd ? into.add_(gradient) : into.copy_(gradient);
}

at::Tensor gathered(const at::Tensor& x, TensorShare share) {
  return share.group == nullptr ? x : parallel::gathered(x, 1, *share.group);
}

at::Tensor summed(const at::Tensor& x, TensorShare share) {
  return share.group == nullptr ? x : parallel::reduce_scattered(x, 1, *share.group, SumOrder::kTree);
}

class NormInBlocks : public torch::autograd::Function<NormInBlocks> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, double epsilon, int64_t dim,
                            int64_t blocks, NormSinks sinks) {
    at::Tensor maybe_bias = bias.value_or(at::Tensor());
    auto [y, statistics] = norm_forward(x, weight, maybe_bias, epsilon);
    context->save_for_backward({x, weight, maybe_bias, statistics.mean, statistics.reciprocal_spread});
    context->saved_data["dim"] = dim;
    context->saved_data["blocks"] = blocks;
    carry(context, {{weight, maybe_bias, sinks.weight, sinks.bias}}, {});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &bias = saved[2];
    int64_t dim = context->saved_data["dim"].toInt(), blocks = context->saved_data["blocks"].toInt();
    auto sizes = x.sizes().vec();
    sizes.back() = 1;
    auto statistic = [&](const at::Tensor& each, int64_t i) {
      return each.defined() ? block_of(each.view(sizes), dim, i, blocks) : each;
    };
    variable_list dx, dweight, dbias;
    for (int64_t i = 0; i < blocks; ++i) {
      NormStatistics statistics{statistic(saved[3], i), statistic(saved[4], i)};
      auto gradients = norm_backward(block_of(grads[0], dim, i, blocks), block_of(x, dim, i, blocks), weight,
                                     bias, statistics);
      dx.push_back(gradients.x);
      dweight.push_back(gradients.weight);
      dbias.push_back(gradients.bias);
    }
    auto carried = carried_by(context);
    auto gradient = [&](const at::Tensor& of, GradientSink* sink, const variable_list& parts) {
      if (!of.defined()) return at::Tensor();
      return in_parts(sink, blocks, of.options(), of.sizes(),
                      [parts](int64_t i, const at::Tensor& into, Onto onto) {
                        put(parts[static_cast<size_t>(i)], into, onto);
                      });
    };
    at::Tensor none, to_weight = gradient(weight, carried->weight_sinks[0], dweight),
                     to_bias = gradient(bias, carried->bias_sinks[0], dbias);
    return {at::cat(dx, dim), to_weight, to_bias, none, none, none, none};
  }
};

// Autograd's inputs, in this order: x, layers (not differentiated as such), share, each layer's weight, then
// each layer's bias (none of them has one, or all have).
class ColumnInBlocks : public torch::autograd::Function<ColumnInBlocks> {
 public:
  static constexpr size_t kWeights = 3;

  static variable_list forward(AutogradContext* context, const at::Tensor& x,
                               const std::vector<Linear>& layers, TensorShare share, at::TensorList weights,
                               at::TensorList biases) {
    at::Tensor input = gathered(x, share);
    variable_list outputs, saved{x};
    for (size_t l = 0; l < weights.size(); ++l) {
      variable_list parts;
      for (int64_t i = 0; i < share.blocks; ++i) {
        at::Tensor bias = biases.empty() ? at::Tensor() : block_of(biases[l], 0, i, share.blocks);
        parts.push_back(linear_forward(input, block_of(weights[l], 0, i, share.blocks), bias));
      }
      outputs.push_back(at::cat(parts, -1));
      saved.push_back(weights[l]);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["biased"] = !biases.empty();
    carry(context, layers, share);
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto carried = carried_by(context);
    int64_t blocks = carried->share.blocks;
    bool biased = context->saved_data["biased"].toBool();
    at::Tensor input = gathered(saved[0], carried->share);  // [B, T, in]
    std::vector<variable_list> rows(grads.size());          // by layer, by block: [N, out_i / b]
    for (size_t l = 0; l < grads.size(); ++l) {
      for (int64_t i = 0; i < blocks; ++i) rows[l].push_back(block_of(flattened(grads[l]), 1, i, blocks));
    }
    variable_list parts;
    for (int64_t i = 0; i < blocks; ++i) {
      variable_list of_block, weights;
      for (size_t l = 0; l < grads.size(); ++l) {
        of_block.push_back(rows[l][static_cast<size_t>(i)]);
        weights.push_back(block_of(saved[1 + l], 0, i, blocks));
      }
      parts.push_back(linear_input_gradient(of_block, weights));
    }
    variable_list results(kWeights + grads.size() * (biased ? 2 : 1));
    results[0] = summed(parallel::tree_sum(std::move(parts)).view(input.sizes()), carried->share);
    at::Tensor x = flattened(input);
    for (size_t l = grads.size(); l-- > 0;) {
      const at::Tensor& weight = saved[1 + l];
      const variable_list& of_layer = rows[l];
      results[kWeights + l] = whole_gradient(carried->weight_sinks[l], weight.options(), weight.sizes(),
                                             [of_layer, x](const at::Tensor& into, Onto onto) {
                                               auto count = static_cast<int64_t>(of_layer.size());
                                               for (int64_t i = 0; i < count; ++i)
                                                 linear_weight_gradient(of_layer[static_cast<size_t>(i)], x,
                                                                        rows_of_block(into, i, count), onto);
                                             });
      if (!biased) continue;
      results[kWeights + grads.size() + l] = whole_gradient(
          carried->bias_sinks[l], weight.options(), {weight.size(0)},
          [of_layer](const at::Tensor& into, Onto onto) {
            auto count = static_cast<int64_t>(of_layer.size());
            for (int64_t i = 0; i < count; ++i)
              linear_bias_gradient(of_layer[static_cast<size_t>(i)], rows_of_block(into, i, count), onto);
          });
    }
    return results;
  }
};

class RowInBlocks : public torch::autograd::Function<RowInBlocks> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, const Linear& layer, TensorShare share) {
    variable_list parts;
    for (int64_t i = 0; i < share.blocks; ++i) {
      parts.push_back(linear_forward(block_of(x, x.dim() - 1, i, share.blocks),
                                     block_of(weight, 1, i, share.blocks), at::Tensor()));
    }
    context->save_for_backward({x, weight});
    context->saved_data["biased"] = bias.has_value();
    carry(context, {layer}, share);
    at::Tensor sum = summed(parallel::tree_sum(std::move(parts)), share);
    return bias.has_value() ? sum + *bias : sum;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto carried = carried_by(context);
    int64_t blocks = carried->share.blocks;
    const at::Tensor &input = saved[0], &weight = saved[1];
    at::Tensor own = grads[0].contiguous(), bias_gradient;
    if (context->saved_data["biased"].toBool()) {
      variable_list shards;
      for (int64_t i = 0; i < blocks; ++i) shards.push_back(flattened(block_of(own, 1, i, blocks)));
      bias_gradient = in_parts(carried->bias_sinks[0], blocks, own.options(), {own.size(-1)},
                               [shards](int64_t i, const at::Tensor& into, Onto onto) {
                                 linear_bias_gradient(shards[static_cast<size_t>(i)], into, onto);
                               });
    }
    at::Tensor whole = flattened(gathered(own, carried->share));  // [N, out]
    variable_list inputs, dinputs;                                // by block: [N, in / b]
    for (int64_t i = 0; i < blocks; ++i) {
      inputs.push_back(block_of(flattened(input), 1, i, blocks));
      dinputs.push_back(linear_input_gradient({whole}, {block_of(weight, 1, i, blocks)}));
    }
    at::Tensor weight_gradient =
        whole_gradient(carried->weight_sinks[0], weight.options(), weight.sizes(),
                       [whole, inputs](const at::Tensor& into, Onto onto) {
                         int64_t first = 0;
                         for (const at::Tensor& block : inputs) {
                           at::Tensor part = at::empty({whole.size(1), block.size(1)}, into.options());
                           linear_weight_gradient(whole, block, part, Onto::kWrite);
                           put(part, into.narrow(1, first, block.size(1)), onto);
                           first += block.size(1);
                         }
                       });
    at::Tensor none;
    return {at::cat(dinputs, 1).view(input.sizes()), weight_gradient, bias_gradient, none, none};
  }
};

}  // namespace

at::Tensor norm_in_blocks(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          double epsilon, int64_t dim, int64_t blocks, NormSinks sinks) {
  return NormInBlocks::apply(x, weight, if_defined(bias), epsilon, dim, blocks, sinks);
}

std::vector<at::Tensor> column_in_blocks(const at::Tensor& x, const std::vector<Linear>& layers,
                                         TensorShare share) {
  variable_list weights, biases;
  for (const Linear& layer : layers) {
    weights.push_back(layer.weight);
    if (layer.bias.defined()) biases.push_back(layer.bias);
  }
  expect(biases.empty() || biases.size() == weights.size(), "all layers have a bias, or none");
  return ColumnInBlocks::apply(x, layers, share, at::TensorList(weights), at::TensorList(biases));
}

at::Tensor row_in_blocks(const at::Tensor& x, const Linear& layer, TensorShare share) {
  return RowInBlocks::apply(x, layer.weight, if_defined(layer.bias), layer, share);
}

at::Tensor as_row_of_blocks(const at::Tensor& x, int64_t blocks) {
  return x.unflatten(1, {blocks, x.size(1) / blocks}).transpose(0, 1).reshape({1, -1, x.size(-1)});
}

at::Tensor from_row_of_blocks(const at::Tensor& row, at::IntArrayRef sizes, int64_t blocks) {
  return row.view({blocks, sizes[0], sizes[1] / blocks, sizes[2]}).transpose(0, 1).reshape(sizes);
}

}  // namespace sextant::trainer
