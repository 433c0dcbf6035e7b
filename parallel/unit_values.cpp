#include "parallel/unit_values.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "parallel/tensor_memory.h"

namespace sextant::parallel {
UnitValues::UnitValues(const BucketLayout& layout, const Holders& holders, at::ScalarType type)
    : groups_(holders.sets()), buckets_(layout.count()), values_(layout.tensors()) {
  for (size_t set = 0; set < holders.sets(); ++set) {
    Group& group = holders.shard_group(set);
    if (group.size() > 1) groups_[set] = group.split(everybody(), group.name() + " values");
  }
  for (size_t b = 0; b < layout.count(); ++b) {
    Bucket& bucket = buckets_[b];
    size_t set = layout.set_of(b);
    bucket.group = groups_[set].get();
    if (bucket.group == nullptr) continue;
    auto options = at::TensorOptions().dtype(type).device(layout.device(b));
    bucket.always_here = !holders.alike(set);
    bucket.here = bucket.always_here;
    bucket.flat = at::empty({layout.elements(b)}, options);
    bucket.shard = at::zeros({layout.elements(b) / layout.ranks(b)}, options);
    // Of version counters of their own: to autograd a gather is no change. Made while there is memory to look
    // at.
    for (size_t tensor : layout.tensors_of(b))
      values_[tensor] = layout.view(bucket.flat, tensor).variable_data();
    if (bucket.always_here) {
      bucket.flat.zero_();
    } else {
      give_memory_back(bucket.flat);
      units_[layout.unit_of(b)].buckets.push_back(b);
    }
  }
}

void UnitValues::refresh() {
  at::NoGradGuard no_gradient;
  for (auto& [number, unit] : units_) {
    expect(unit.uses == 0, "no unit is in use while shards change");
    let_go(unit);
  }
  lingering_.clear();
  for (Bucket& bucket : buckets_) {
    if (!bucket.always_here) continue;
    bucket.group->all_gather(bucket.flat.view({bucket.group->size(), -1}), bucket.shard);
  }
}

void UnitValues::start(Unit& unit) {
  for (size_t b : unit.buckets) {
    Bucket& bucket = buckets_[b];
    if (bucket.here) continue;
    take_memory(bucket.flat);
    bucket.here = true;
    bucket.work = bucket.group->all_gather_async(bucket.flat.view({bucket.group->size(), -1}), bucket.shard);
  }
}

void UnitValues::wait(Unit& unit) {
  for (size_t b : unit.buckets) {
    if (buckets_[b].work == nullptr) continue;
    buckets_[b].work->wait();
    buckets_[b].work.reset();
  }
}

void UnitValues::let_go(Unit& unit) {
  wait(unit);
  for (size_t b : unit.buckets) {
    if (buckets_[b].here) give_memory_back(buckets_[b].flat);
    buckets_[b].here = false;
  }
}

void UnitValues::end_lingering(int64_t needed) {
  for (int64_t unit : lingering_) {
    if (unit != needed && units_[unit].uses == 0) let_go(units_[unit]);
  }
  lingering_.clear();
}

void UnitValues::need(int64_t unit, int64_t next) {
  at::NoGradGuard no_gradient;
  end_lingering(unit);
  Unit& wanted = units_[unit];
  ++wanted.uses;
  start(wanted);
  if (next != kNone) start(units_[next]);
  wait(wanted);
}

void UnitValues::done(int64_t unit) {
  Unit& used = units_[unit];
  expect(used.uses > 0, "a unit that is done was needed");
  if (--used.uses == 0) let_go(used);
}

void UnitValues::linger(int64_t unit) {
  expect(units_[unit].uses > 0, "a unit that lingers was needed");
  --units_[unit].uses;
  lingering_.push_back(unit);
}

int64_t UnitValues::bytes() const {
  int64_t bytes = 0;
  for (const Bucket& bucket : buckets_) {
    if (bucket.group == nullptr) continue;
    int64_t elements = bucket.shard.numel() + (bucket.here ? bucket.flat.numel() : 0);
    bytes += elements * static_cast<int64_t>(bucket.flat.element_size());
  }
  return bytes;
}

}  // namespace sextant::parallel
