#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "parallel/placement.h"

namespace sextant::parallel {

// A tensor as one rank holds it.
struct HeldTensor {
  std::string name;  // of the whole
  Slice slice;       // which box of it is here
};

// What every rank of a world holds, by rank, each in forward's order.
using Holdings = std::vector<std::vector<HeldTensor>>;

// Which of the parts of the world, that each have all weights, a rank is in.
using PartOf = std::function<int64_t(Rank of_world)>;

// Which ranks hold the same slice of the same tensor, found out by asking them all: whatever axes a layout
// has, a gradient is summed over the ranks that hold its weight, and these share its optimizer's state. One
// set of ranks has one group, however many tensors they hold together.
//
// They need not all share out: where the world is cut into parts (hybrid sharding, Zhao et al. 2023, section
// 3.2.2: a machine each, say), the ranks of a set in one part share out among them, and ranks at the same
// place of different parts have the same.
class Holders {
 public:
  // All ranks of `world` must call, each with what it holds in forward's order, no name twice. The groups are
  // split off `world`, in few rounds.
  // `part_of`: the same function on all ranks; none: one part.
  Holders(Group& world, const std::vector<HeldTensor>& held, const PartOf& part_of = nullptr);
  // The same where every rank knows what all of them hold: nobody is asked.
  static Holders known(Group& world, const Holdings& all_held, const PartOf& part_of = nullptr);

  // The sets that this rank is in, in an order that all ranks have in common: what is done one set after the
  // other in this order, by all, can not block.
  size_t sets() const { return sets_.size(); }
  size_t set_of(size_t tensor) const { return set_of_[tensor]; }
  Group& group(size_t set) const { return *sets_[set].group; }
  Group& of(size_t tensor) const { return group(set_of(tensor)); }
  // Those of the set in this rank's part of the world, who share out.
  Group& shard_group(size_t set) const { return sets_[set].shard ? *sets_[set].shard : group(set); }
  // The set's ranks at this place of every part, who own the same.
  Group& replica_group(size_t set) const { return *sets_[set].replica; }
  // Whether all ranks of the set hold tensors of the same names in the same order, so that their backwards
  // make the set's gradients ready in one order. Not so for the ends of a pipeline that share an embedding.
  bool alike(size_t set) const { return sets_[set].alike; }

 private:
  struct Set {
    std::unique_ptr<Group> group;
    bool alike = true;
    std::unique_ptr<Group> shard = nullptr;  // null: all of them
    std::unique_ptr<Group> replica = nullptr;
  };
  // By rank: see announcement().
  Holders(const std::vector<std::string>& announcements, Group& world, const PartOf& part_of);

  std::vector<Set> sets_;
  std::vector<size_t> set_of_;  // by tensor
};

}  // namespace sextant::parallel
