#include "trainer/trained_weights.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>

namespace sextant::trainer {
namespace {

using parallel::Range;

parallel::BucketLayout layout_of(const ParameterList& parameters, const parallel::Holders& holders,
                                 const TrainedWeights::Sharding& sharding) {
  std::vector<parallel::FlatTensor> tensors;
  for (const auto& parameter : parameters) {
    size_t set = holders.set_of(tensors.size());
    tensors.push_back({parameter->slice().shape, parameter->master.scalar_type(), parameter->master.device(),
                       set, holders.shard_group(set).size(), parameter->unit});
  }
  return {tensors, sharding.bucket_bytes,
          sharding.zero_stage >= 3 ? parallel::BucketEnd::kUnit : parallel::BucketEnd::kFull};
}

// The parameter's numbers in memory of the bucket's, of the same type.
at::Tensor moved(const at::Tensor& numbers, const at::Tensor& place) {
  place.copy_(numbers);
  return place;
}

}  // namespace

std::vector<parallel::HeldTensor> held_by(const ParameterList& parameters) {
  std::vector<parallel::HeldTensor> held;
  for (const auto& parameter : parameters) held.push_back({parameter->name, parameter->slice()});
  return held;
}

TrainedWeights::TrainedWeights(const ParameterList& parameters, parallel::Group& world,
                               const Sharding& sharding, const parallel::Holdings* known)
    : parameters_(parameters),
      holders_(known != nullptr ? parallel::Holders::known(world, *known, sharding.part_of)
                                : parallel::Holders(world, held_by(parameters), sharding.part_of)),
      layout_(layout_of(parameters, holders_, sharding)),
      values_(layout_.count()),
      masters_(layout_.count()),
      splits_(layout_.tensors()) {
  for (const auto& parameter : parameters) by_tensor_.push_back(parameter.get());
  if (sharding.zero_stage >= 3) {
    units_ = std::make_unique<parallel::UnitValues>(layout_, holders_, parameters.precision().compute);
    parameters_.set_unit_use(units_.get());
  }
  for (size_t b = 0; b < layout_.count(); ++b) {
    if (sharding.zero_stage == 0 || layout_.ranks(b) == 1) {
      for (size_t tensor : layout_.tensors_of(b)) split_whole(tensor);
    } else {
      comes_and_goes(b) ? keep_owned(b) : share_out(b);
    }
  }
  if (units_ != nullptr) units_->refresh();
}

TrainedWeights::~TrainedWeights() {
  if (units_ != nullptr) parameters_.set_unit_use(nullptr);
}

bool TrainedWeights::splits_masters() const {
  Precision precision = parameters_.precision();
  return precision.master == at::kFloat && precision.compute == at::kBFloat16 &&
         parameters_.device().is_cpu();
}

void TrainedWeights::split(size_t tensor, const at::Tensor& value, const at::Tensor& master) {
  splits_[tensor] = SplitMaster(value);
  splits_[tensor].put(master);
}

void TrainedWeights::split_whole(size_t tensor) {
  if (!splits_masters()) return;
  Parameter& parameter = *by_tensor_[tensor];
  split(tensor, parameter.value.detach().view({-1}), parameter.master.view({-1}));
  parameter.master = at::Tensor();
}

void TrainedWeights::keep_owned(size_t bucket) {
  at::NoGradGuard no_gradient;
  Range own = layout_.owned(bucket, holders_.shard_group(layout_.set_of(bucket)).rank().value());
  Precision precision = parameters_.precision();
  bool apart = precision.compute != precision.master;
  auto options = at::TensorOptions().dtype(precision.master).device(layout_.device(bucket));
  if (apart && !splits_masters()) masters_[bucket] = at::zeros({own.elements()}, options);
  for (size_t tensor : layout_.tensors_of(bucket)) {
    Parameter& parameter = *by_tensor_[tensor];
    Range part = layout_.part_of(tensor, own);
    int64_t begin = part.elements() > 0 ? layout_.range_of(tensor).begin + part.begin - own.begin : 0;
    auto of = [&](const at::Tensor& whole) {
      return whole.view({-1}).narrow(0, part.begin, part.elements());
    };
    at::Tensor shard = units_->shard(bucket).narrow(0, begin, part.elements());
    shard.copy_(of(parameter.value.detach()));
    if (splits_masters()) {
      split(tensor, shard, of(parameter.master));
    } else if (apart) {
      masters_[bucket].narrow(0, begin, part.elements()).copy_(of(parameter.master));
    }
    parameter.value = units_->value(tensor).requires_grad_(true);
    parameter.master = at::Tensor();
  }
}

void TrainedWeights::share_out(size_t bucket) {
  at::NoGradGuard no_gradient;
  Range own = layout_.owned(bucket, holders_.shard_group(layout_.set_of(bucket)).rank().value());
  Precision precision = parameters_.precision();
  bool apart = precision.compute != precision.master;
  auto options = at::TensorOptions().dtype(precision.compute).device(layout_.device(bucket));
  values_[bucket] = at::zeros({layout_.elements(bucket)}, options);
  if (apart && !splits_masters()) {
    masters_[bucket] = at::zeros({own.elements()}, options.dtype(precision.master));
  }
  for (size_t tensor : layout_.tensors_of(bucket)) {
    Parameter& parameter = *by_tensor_[tensor];
    at::Tensor place = moved(parameter.value, layout_.view(values_[bucket], tensor));
    parameter.value = place.detach().requires_grad_(true);
    if (!apart) {
      parameter.master = place;
      continue;
    }
    Range part = layout_.part_of(tensor, own);
    int64_t begin = layout_.range_of(tensor).begin + part.begin - own.begin;
    at::Tensor master = parameter.master.view({-1}).narrow(0, part.begin, part.elements());
    if (splits_masters()) {
      split(tensor, place.view({-1}).narrow(0, part.begin, part.elements()), master);
    } else if (part.elements() > 0) {
      moved(master, masters_[bucket].narrow(0, begin, part.elements()));
    }
    parameter.master = at::Tensor();
  }
}

std::vector<OwnedPiece> TrainedWeights::pieces(const parallel::GradientReducer& gradients) const {
  std::vector<OwnedPiece> pieces;
  for (size_t tensor = 0; tensor < by_tensor_.size(); ++tensor) {
    const Parameter& parameter = *by_tensor_[tensor];
    size_t bucket = layout_.bucket_of(tensor);
    parallel::Group& group = holders_.shard_group(layout_.set_of(bucket));
    bool shared = is_shared_out(bucket);
    int64_t first = layout_.range_of(tensor).begin;
    Range own = shared ? layout_.owned(bucket, group.rank().value()) : Range{0, layout_.elements(bucket)};
    Range part = layout_.part_of(tensor, own), summed = gradients.range(bucket);
    // A range of the bucket in a tensor that begins at `begin` of it.
    auto in = [&](const at::Tensor& flat, int64_t begin) {
      return flat.narrow(0, part.elements() > 0 ? first + part.begin - begin : 0, part.elements());
    };
    OwnedPiece piece;
    piece.parameter = &parameter;
    piece.begin = part.begin;
    piece.end = part.end;
    piece.grad = in(gradients.gradient(bucket), summed.begin);
    piece.holders = shared ? &group : nullptr;
    bool apart = parameters_.precision().compute != parameters_.precision().master;
    piece.split = splits_[tensor];
    if (!shared) {
      if (!piece.split.defined()) piece.master = parameter.master.view({-1});
      if (apart) piece.value = parameter.value.detach().view({-1});
    } else {
      at::Tensor value =
          comes_and_goes(bucket) ? in(units_->shard(bucket), own.begin) : in(values_[bucket], 0);
      if (!piece.split.defined()) piece.master = apart ? in(masters_[bucket], own.begin) : value;
      if (apart) piece.value = value;
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

void TrainedWeights::gather_values() {
  at::NoGradGuard no_gradient;
  if (units_ != nullptr) return units_->refresh();
  std::vector<std::unique_ptr<parallel::Work>> under_way;
  for (size_t set = 0; set < holders_.sets(); ++set) {
    for (size_t b = 0; b < layout_.count(); ++b) {
      if (layout_.set_of(b) != set || !is_shared_out(b)) continue;
      parallel::Group& group = holders_.shard_group(set);
      at::Tensor pieces = values_[b].view({group.size(), -1});
      under_way.push_back(group.all_gather_async(pieces, pieces[group.rank().value()]));
    }
  }
  for (auto& work : under_way) work->wait();
}

}  // namespace sextant::trainer
