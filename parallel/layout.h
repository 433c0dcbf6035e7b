#pragma once

#include <cstdint>
#include <string>

#include "parallel/base/number.h"
#include "parallel/mesh.pb.h"

// The arithmetic of the mesh: who stands where. No groups, no communication.
namespace sextant::parallel {

// How many ranks each axis has. The world is pipeline x data x context x tensor, tensor fastest; expert and
// zero_stage say how the data axis is used.
struct Layout {
  int64_t pipeline = 1, data = 1, context = 1, tensor = 1;
  int64_t expert = 1;  // divides data
  int64_t zero_stage = 0;
  int64_t shard = 0;  // ranks of the data axis that zero_stage shares out among; 0: all of them

  int64_t ranks() const { return pipeline * data * context * tensor; }
  bool operator==(const Layout&) const = default;
};

// A rank's place on each axis.
struct Coordinate {
  int64_t pipeline = 0, data = 0, context = 0, tensor = 0;
  bool operator==(const Coordinate&) const = default;
};

// The layout that the settings ask for on so many ranks; `data` left out takes what the other axes leave.
// Throws Error(kInput) with the product, the ranks there are and what to set.
Layout layout_for(const MeshSettings& settings, int64_t ranks);

// Which of the groups that zero_stage shares out among the rank is in.
int64_t shard_group_of(const Layout& layout, Rank rank);

Coordinate coordinate_of(const Layout& layout, Rank rank);
Rank rank_at(const Layout& layout, const Coordinate& at);

// "data=2 tensor=1 pipeline=1 context=1 expert=1 zero=0", with " shard=2" where that is not all of data:
// stored in checkpoints, shown to users.
std::string layout_text(const Layout& layout);

}  // namespace sextant::parallel
