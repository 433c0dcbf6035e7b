#pragma once

#include <optional>
#include <string>

#include "trainer/kernels/grouped_feed_forward.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"
#include "trainer/model/part.h"
#include "trainer/model/router.h"

namespace sextant::trainer {

// The feed-forward half of a block, with its norm, as a mixture of experts: the router sends each token to a
// few of E gated feed-forward layers, and the result is their sum, weighted by the router (Jiang et al. 2024,
// "Mixtral of Experts"); experts that all tokens share are added (DeepSeek-AI 2024, "DeepSeekMoE").
//
// Ranks of part.expert own E/n experts each, stacked in one parameter that is cut along the experts; tokens
// travel to the owners and back (parallel/expert_dispatch). Ranks of part.tensor and part.context have the
// same experts and each route their own tokens: their gradients are parts of a sum, as those of data replicas
// are.
class Experts {
 public:
  // Registers parameters under `name` ("blocks.0.experts").
  Experts(const ModelSettings& settings, const std::string& name, ParameterList& parameters,
          const ModelPart& part);

  // x [B, T, C] to what is added to the residual stream, [B, T, C]. order, stream: see Router::route. All
  // ranks of part.expert must call, with any T, and all run the backward.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& order, Produced produced, Stream stream) const;

  const Router& router() const { return router_; }

 private:
  // What every token passes through.
  struct Shared {
    Parameter *gate, *up, *down;
  };
  double epsilon_;
  parallel::Group* owners_;
  Parameter* norm_weight_;
  Router router_;
  Parameter *gate_, *up_, *down_;
  std::optional<Shared> shared_;

  at::Tensor routed(const at::Tensor& normed, const at::Tensor& order, Produced produced,
                    Stream stream) const;
};

}  // namespace sextant::trainer
