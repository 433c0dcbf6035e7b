#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/bucket_layout.h"
#include "parallel/gradient_reducer.h"
#include "parallel/holders.h"
#include "parallel/unit_values.h"
#include "trainer/model/parameter.h"
#include "trainer/optimizer/owned_piece.h"

namespace sextant::trainer {

// The parameters as what a rank holds of the whole model.
std::vector<parallel::HeldTensor> held_by(const ParameterList& parameters);

// Where the weights of a rank stand while they are trained, and which part of each it owns.
//
// ZeRO (Rajbhandari et al. 2020): ranks that hold the same slice share out its master and optimizer state.
// Without it each rank owns all that it holds. With it values lie in flat buckets; a rank owns one range of
// each bucket, and after an update the ranges are gathered. Masters of another type than the values stand for
// the owned range only, so that Parameter::master is undefined then.
// From stage 3 on the values come and go by unit (parallel/unit_values), and no master is whole.
//
// fp32 masters of bf16 values on a CPU are split (trainer/kernels/split_master): beside the values stands
// what these leave out, and no Parameter::master is defined.
class TrainedWeights {
 public:
  struct Sharding {
    int64_t zero_stage = 0;
    int64_t bucket_bytes = 26214400;
    parallel::PartOf part_of = nullptr;  // of the world, whose ranks share out; none: one part
  };

  // Moves the values (and masters) of the parameters into buckets where they are shared out. `known`: what
  // every rank holds, where that need not be asked. All ranks of `world` must call. The parameters must
  // outlive this, and are not read any more once it is gone.
  TrainedWeights(const ParameterList& parameters, parallel::Group& world, const Sharding& sharding,
                 const parallel::Holdings* known = nullptr);
  ~TrainedWeights();
  TrainedWeights(const TrainedWeights&) = delete;
  TrainedWeights& operator=(const TrainedWeights&) = delete;

  const parallel::BucketLayout& layout() const { return layout_; }
  const parallel::Holders& holders() const { return holders_; }
  bool is_shared_out(size_t bucket) const { return values_[bucket].defined() || comes_and_goes(bucket); }

  // What this rank owns of each parameter, in the parameters' order, with its place in the reducer's sums.
  std::vector<OwnedPiece> pieces(const parallel::GradientReducer& gradients) const;

  // Brings the ranges that others own into the values. All ranks of the world must call.
  void gather_values();

 private:
  bool splits_masters() const;
  void split_whole(size_t tensor);
  void split(size_t tensor, const at::Tensor& value, const at::Tensor& master);
  bool comes_and_goes(size_t bucket) const { return units_ != nullptr && units_->has(bucket); }
  void share_out(size_t bucket);
  void keep_owned(size_t bucket);

  const ParameterList& parameters_;
  std::vector<Parameter*> by_tensor_;
  parallel::Holders holders_;
  parallel::BucketLayout layout_;
  std::unique_ptr<parallel::UnitValues> units_;  // from stage 3 on
  std::vector<at::Tensor> values_;  // by bucket: [elements]; undefined: the parameters' own memory
  std::vector<at::Tensor>
      masters_;  // by bucket: [elements / ranks]; undefined: the values, the parameters' own, or split
  std::vector<SplitMaster> splits_;  // by tensor, of the owned range; none: as masters_ says
};

}  // namespace sextant::trainer
