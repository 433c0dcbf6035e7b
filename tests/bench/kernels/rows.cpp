#include <ATen/ATen.h>

#include "tests/bench/kernels/measure.h"
#include "trainer/kernels/activation.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/rotary.h"
#include "trainer/kernels/softmax.h"

namespace sextant::bench {
namespace {

// A step of the small model: batch 16, context 256, width 384, 6 heads.
constexpr int64_t kRows = 16 * 256, kWidth = 384, kHidden = 4 * kWidth, kHeads = 6, kHeadWidth = 64;
// A chunk of logits of the 124M model.
constexpr int64_t kTokens = 256, kVocabulary = 50257;

struct Kind {
  at::ScalarType type;
  const char* name;
  double bytes;
};
const Kind kKinds[] = {{at::kBFloat16, "bf16", 2}, {at::kFloat, "fp32", 4}};

void add_norms(const Kind& kind, std::vector<Contest>& contests) {
  at::Tensor x = at::randn({kRows, kWidth}).to(kind.type), y = at::randn({kRows, kWidth}).to(kind.type);
  at::Tensor w = at::ones({kWidth}, kind.type), b = at::zeros({kWidth}, kind.type);
  double once = kRows * kWidth * kind.bytes;
  contests.push_back({"RMSNorm forward", kind.name, Bound::kMemory, 2 * once,
                      [=] { trainer::norm_forward(x, w, {}, 1e-5); },
                      [=] { at::rms_norm(x, {kWidth}, w, 1e-5); }});
  contests.push_back({"add and RMSNorm forward", kind.name, Bound::kMemory, 4 * once,
                      [=] { trainer::add_norm_forward(x, y, w, {}, 1e-5); },
                      [=] { at::rms_norm(x + y, {kWidth}, w, 1e-5); }});
  auto [normed, statistics] = trainer::norm_forward(x, w, {}, 1e-5);
  at::Tensor wide_x = x.to(at::kFloat), reciprocal = statistics.reciprocal_spread;
  auto rms_backward_aten = [=] {
    at::Tensor normalised = x * reciprocal, scaled = y * w;
    at::Tensor dweight = (y * normalised).sum(0), along = (scaled * normalised).mean(-1, true);
    return scaled.sub(normalised * along).mul_(reciprocal).to(x.scalar_type());
  };
  contests.push_back({"RMSNorm backward", kind.name, Bound::kMemory, 3 * once,
                      [=, s = statistics] { trainer::norm_backward(y, x, w, {}, s); }, rms_backward_aten});
  contests.push_back({"LayerNorm forward", kind.name, Bound::kMemory, 2 * once,
                      [=] { trainer::norm_forward(x, w, b, 1e-5); },
                      [=] { at::native_layer_norm(x, {kWidth}, w, b, 1e-5); }});
  auto layer = std::get<1>(trainer::norm_forward(x, w, b, 1e-5));
  at::Tensor mean = std::get<1>(at::native_layer_norm(x, {kWidth}, w, b, 1e-5));
  at::Tensor spread = std::get<2>(at::native_layer_norm(x, {kWidth}, w, b, 1e-5));
  contests.push_back(
      {"LayerNorm backward", kind.name, Bound::kMemory, 3 * once,
       [=] { trainer::norm_backward(y, x, w, b, layer); },
       [=] {
         at::native_layer_norm_backward(y, x, {kWidth}, mean, spread, w, b, {true, true, true});
       }});
}

void add_activations(const Kind& kind, std::vector<Contest>& contests) {
  at::Tensor up = at::randn({kRows, kHidden}).to(kind.type), gate = at::randn({kRows, kHidden}).to(kind.type);
  at::Tensor grad = at::randn({kRows, kHidden}).to(kind.type);
  double once = kRows * kHidden * kind.bytes;
  contests.push_back({"GELU forward", kind.name, Bound::kMemory, 2 * once,
                      [=] { trainer::activation_forward({}, up); }, [=] { at::gelu(up, "tanh"); }});
  contests.push_back({"GELU backward", kind.name, Bound::kMemory, 3 * once,
                      [=] { trainer::activation_backward(grad, {}, up); },
                      [=] { at::gelu_backward(grad, up, "tanh"); }});
  contests.push_back({"SwiGLU forward", kind.name, Bound::kMemory, 3 * once,
                      [=] { trainer::activation_forward(gate, up); }, [=] { at::silu(gate).mul_(up); }});
  contests.push_back({"SwiGLU backward", kind.name, Bound::kMemory, 5 * once,
                      [=] { trainer::activation_backward(grad, gate, up); },
                      [=] {
                        at::silu(gate).mul_(grad);
                        at::silu_backward(grad * up, gate);
                      }});
}

void add_rotary(const Kind& kind, std::vector<Contest>& contests) {
  at::Tensor x = at::randn({16, 256, kHeads, kHeadWidth}).to(kind.type);
  at::Tensor table = trainer::rotary_table(256, kHeadWidth, 1e4, at::kFloat, at::kCPU)
                         .unsqueeze(1)
                         .expand({2, 16, 256, kHeadWidth / 2})
                         .contiguous();
  auto aten = [=] {
    at::Tensor cosine = table[0].unsqueeze(2), sine = table[1].unsqueeze(2);
    at::Tensor first = x.narrow(-1, 0, kHeadWidth / 2), second = x.narrow(-1, kHeadWidth / 2, kHeadWidth / 2);
    at::cat({first * cosine - second * sine, second * cosine + first * sine}, -1).to(x.scalar_type());
  };
  contests.push_back({"rotary", kind.name, Bound::kMemory, 2.0 * static_cast<double>(x.numel()) * kind.bytes,
                      [=] { trainer::rotary(x, table); }, aten});
}

void add_softmax(const Kind& kind, std::vector<Contest>& contests) {
  at::Tensor logits = at::randn({kTokens, kVocabulary}).to(kind.type);
  at::Tensor targets = at::randint(kVocabulary, {kTokens}), scale = at::ones({kTokens});
  at::Tensor ours = logits.clone();
  contests.push_back({"cross-entropy and its gradient", kind.name, Bound::kMemory,
                      3.0 * kTokens * kVocabulary * kind.bytes,
                      [=]() mutable {
                        at::Tensor sums = trainer::log_sum_exp(ours);
                        trainer::softmax_gradient_(ours, sums, targets, scale);
                      },
                      [=] {
                        at::Tensor log_probabilities = at::log_softmax(logits, -1, at::kFloat);
                        at::Tensor dlogits = log_probabilities.exp_();
                        dlogits.scatter_add_(1, targets.unsqueeze(1), at::full({kTokens, 1}, -1.0));
                        dlogits.mul_(scale.unsqueeze(1)).to(kind.type);
                      }});
}

}  // namespace

std::vector<Contest> row_contests() {
  std::vector<Contest> contests;
  for (const Kind& kind : kKinds) {
    add_norms(kind, contests);
    add_activations(kind, contests);
    add_rotary(kind, contests);
    add_softmax(kind, contests);
  }
  return contests;
}

}  // namespace sextant::bench
