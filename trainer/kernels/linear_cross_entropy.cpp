#include "trainer/kernels/linear_cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "parallel/base/error.h"
#include "parallel/tree_sum.h"
#include "trainer/kernels/linear.h"
#include "trainer/kernels/simd_memory.h"
#include "trainer/kernels/softmax.h"
#include "trainer/kernels/vocabulary_part.h"

namespace sextant::trainer {
namespace {

using parallel::GradientSink;
using parallel::Group;
using parallel::Onto;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// Memory for the logits of a chunk, [n, V]; rows start on cache lines.
at::Tensor logits_memory(const at::Tensor& hidden, const at::Tensor& weight, int64_t chunk) {
  constexpr int64_t kLine = 32;
  int64_t vocabulary = weight.size(0), padded = (vocabulary + kLine - 1) / kLine * kLine;
  return at::empty({std::min(chunk, hidden.size(0)), padded}, hidden.options()).narrow(1, 0, vocabulary);
}

// log sum exp of the logits, [n]; logits stay.
at::Tensor row_log_sums(const at::Tensor& logits) {
  if (fits_simd(logits)) return log_sum_exp(logits);
  return at::logsumexp(logits.to(wide_type(logits)), {1});
}

// Logits become scale[n] (softmax - one at the target), whose columns may be a part of the vocabulary's.
void make_gradient(at::Tensor& logits, const at::Tensor& log_sums, const at::Tensor& targets,
                   const at::Tensor& scale) {
  if (fits_simd(logits)) return softmax_gradient_(logits, log_sums, targets, scale);
  at::Tensor gradient = logits.to(wide_type(logits)).sub(log_sums.unsqueeze(1)).exp_();  // [n, V]
  at::Tensor taken_off = (targets >= 0).to(gradient.scalar_type()).neg_();               // [n]
  gradient.scatter_add_(1, targets.clamp_min(0).unsqueeze(1), taken_off.unsqueeze(1));
  logits.copy_(gradient.mul_(scale.unsqueeze(1)));
}

enum class Chunk { kOther, kLast };

// The weight's gradient where it belongs: in a sink, or in a tensor of our own for autograd. Chunks add up in
// full precision.
class WeightGradient {
 public:
  WeightGradient(const at::Tensor& weight, GradientSink* sink) : sink_(sink) {
    if (sink == nullptr) own_ = at::empty(weight.sizes(), weight.options().dtype(wide_type(weight)));
  }

  // dlogits: of each block of the vocabulary.
  void add(const std::vector<at::Tensor>& dlogits, const at::Tensor& hidden, Chunk chunk) {
    auto write = [&](const at::Tensor& into, Onto onto) {
      int64_t first = 0;
      for (const at::Tensor& block : dlogits) {
        linear_weight_gradient(block, hidden, into.narrow(0, first, block.size(1)), onto);
        first += block.size(1);
      }
    };
    if (sink_ != nullptr) {
      chunk == Chunk::kLast ? sink_->take(write) : sink_->take_part(write);
    } else {
      write(own_, begun_ ? Onto::kAdd : Onto::kWrite);
    }
    begun_ = true;
  }

  // Undefined where the sink has it.
  const at::Tensor& own() const { return own_; }

 private:
  GradientSink* sink_;
  at::Tensor own_;
  bool begun_ = false;
};

class LinearCrossEntropy : public torch::autograd::Function<LinearCrossEntropy> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& weight,
                            const at::Tensor& targets, const at::Tensor& token_weights, int64_t chunk,
                            bool with_gradient, GradientSink* sink, Group* shared_by, int64_t blocks) {
    VocabularyPart vocabulary(weight, shared_by, blocks);
    std::vector<at::Tensor> weights = weight.chunk(blocks, 0), memory;
    for (const at::Tensor& block : weights) memory.push_back(logits_memory(hidden, block, chunk));
    auto wide = hidden.options().dtype(wide_type(hidden));
    at::Tensor sum = at::zeros({}, wide), dhidden;
    std::optional<WeightGradient> dweight;
    if (with_gradient) {
      dhidden = at::empty_like(hidden);
      dweight.emplace(weight, sink);
    }
    for (int64_t first = 0; first < hidden.size(0); first += chunk) {
      int64_t count = std::min(chunk, hidden.size(0) - first);
      at::Tensor part = hidden.narrow(0, first, count);  // [n, C]
      at::Tensor scale = token_weights.narrow(0, first, count).to(wide);
      std::vector<VocabularyPart::Part> parts;
      for (size_t b = 0; b < weights.size(); ++b) {
        at::Tensor logits = memory[b].narrow(0, 0, count);  // [n, V/b]
        linear_forward_into(logits, part, weights[b]);
        at::Tensor target = vocabulary.rows_of(targets.narrow(0, first, count), static_cast<int64_t>(b));
        parts.push_back({row_log_sums(logits), logits, target});
      }
      auto softmax = vocabulary.whole_softmax(parts);
      sum.sub_(((softmax.at_target - softmax.log_sums) * scale).sum());
      if (!with_gradient) continue;
      std::vector<at::Tensor> dlogits, dparts;
      for (size_t b = 0; b < weights.size(); ++b) {
        make_gradient(parts[b].logits, softmax.log_sums, parts[b].rows, scale);
        dparts.push_back(linear_input_gradient({parts[b].logits}, {weights[b]}));
        dlogits.push_back(parts[b].logits);
      }
      dhidden.narrow(0, first, count).copy_(parallel::tree_sum(std::move(dparts)));
      dweight->add(dlogits, part, first + count == hidden.size(0) ? Chunk::kLast : Chunk::kOther);
    }
    if (with_gradient) {
      at::Tensor own = dweight->own();
      context->save_for_backward({dhidden, own.defined() ? own.to(weight.scalar_type()) : own});
    }
    return sum;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    at::Tensor none;
    if (!saved[1].defined()) {
      expect(grads[0].item<double>() == 1.0, "a loss whose weight's gradient is summed is not scaled after");
      return {saved[0], none, none, none, none, none, none, none, none};
    }
    auto scaled = [&](const at::Tensor& x) { return x * grads[0].to(x.scalar_type()); };
    return {scaled(saved[0]), scaled(saved[1]), none, none, none, none, none, none, none};
  }
};

}  // namespace

at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                                const at::Tensor& token_weights, int64_t chunk, GradientSink* weight_sink,
                                Group* shared_by, int64_t blocks) {
  bool with_gradient = at::GradMode::is_enabled() && (hidden.requires_grad() || weight.requires_grad());
  return LinearCrossEntropy::apply(hidden, weight, targets, token_weights, chunk, with_gradient, weight_sink,
                                   shared_by, blocks);
}

at::Tensor target_log_probabilities(const at::Tensor& hidden, const at::Tensor& weight,
                                    const at::Tensor& targets, int64_t chunk, Group* shared_by) {
  at::NoGradGuard no_gradient;
  VocabularyPart vocabulary(weight, shared_by);
  at::Tensor result = at::empty({hidden.size(0)}, hidden.options().dtype(wide_type(hidden)));
  at::Tensor memory = logits_memory(hidden, weight, chunk);
  for (int64_t first = 0; first < hidden.size(0); first += chunk) {
    int64_t count = std::min(chunk, hidden.size(0) - first);
    at::Tensor logits = memory.narrow(0, 0, count);
    linear_forward_into(logits, hidden.narrow(0, first, count), weight);
    at::Tensor target = vocabulary.rows_of(targets.narrow(0, first, count));
    auto softmax = vocabulary.whole_softmax({{row_log_sums(logits), logits, target}});
    result.narrow(0, first, count).copy_(softmax.at_target.sub_(softmax.log_sums));
  }
  return result;
}

}  // namespace sextant::trainer
