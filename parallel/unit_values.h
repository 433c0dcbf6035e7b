#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "parallel/bucket_layout.h"
#include "parallel/holders.h"
#include "parallel/unit_use.h"

namespace sextant::parallel {

// ZeRO 3 (Rajbhandari et al. 2020, section 5.3): the values of a unit's weights exist as a whole only while
// they are needed; else each rank has its own range of them. A unit is gathered before its forward and before
// its backward, while the unit before it still computes.
//
// Tensors keep their identity: a bucket's storage is given back and allocated again under them, so that what
// autograd has saved reads the right numbers once the unit is here again.
//
// Buckets whose ranks do not pass through the same units in the same order (see Holders::alike) are always
// here; whoever changes the shards brings them up to date with refresh(). Buckets of one rank are left alone.
class UnitValues : public UnitUse {
 public:
  // Buckets of values of this type, a unit's tensors in its own buckets (BucketEnd::kUnit). All ranks of
  // `holders`' world must call. The holders must outlive it.
  UnitValues(const BucketLayout& layout, const Holders& holders, at::ScalarType type);

  // Whether the bucket is shared out, and its tensors have their values here.
  bool has(size_t bucket) const { return buckets_[bucket].group != nullptr; }
  // [tensor's shape], with numbers while its unit is here. Later gathers do not count as changes of it.
  const at::Tensor& value(size_t tensor) const { return values_[tensor]; }
  // What this rank owns of the bucket, [elements / ranks]; gathers read it.
  const at::Tensor& shard(size_t bucket) const { return buckets_[bucket].shard; }

  // After shards have changed. All ranks must call, with no unit in use.
  void refresh();

  void need(int64_t unit, int64_t next) override;
  void done(int64_t unit) override;
  void linger(int64_t unit) override;

  // Bytes of values on this rank now: shards and what is gathered.
  int64_t bytes() const;

 private:
  struct Bucket {
    Group* group = nullptr;  // null: one rank
    bool always_here = false;
    at::Tensor flat;             // [elements], with or without memory
    at::Tensor shard;            // [elements / ranks]
    std::unique_ptr<Work> work;  // a gather under way
    bool here = false;           // has memory
  };
  struct Unit {
    std::vector<size_t> buckets;  // that come and go
    int64_t uses = 0;
  };

  void start(Unit& unit);
  void wait(Unit& unit);
  void let_go(Unit& unit);
  void end_lingering(int64_t needed);

  std::vector<std::unique_ptr<Group>> groups_;  // by set: gathers never mix with what else is said there
  std::vector<Bucket> buckets_;
  std::vector<at::Tensor> values_;  // by tensor; undefined where the bucket is not shared out
  std::map<int64_t, Unit> units_;
  std::vector<int64_t> lingering_;
};

}  // namespace sextant::parallel
