#pragma once

#include <memory>
#include <string>

#include "parallel/group.h"
#include "parallel/layout.h"
#include "parallel/mesh.pb.h"

namespace sextant::parallel {

// The ranks, arranged: this rank's place, and a group for each axis through it. A group of an axis holds the
// ranks that differ from this one in that coordinate only, in the order of that coordinate.
class Mesh {
 public:
  // Checks the settings against the world, then makes the groups. All ranks must call. `world` must outlive
  // the mesh. Throws Error(kInput) on every rank, before any communication, when the axes do not fit.
  Mesh(const MeshSettings& settings, Group& world);

  const Layout& layout() const { return layout_; }
  const Coordinate& at() const { return at_; }
  std::string layout_text() const { return parallel::layout_text(layout_); }

  Group& world() const { return world_; }
  Group& pipeline() const { return *pipeline_; }
  Group& data() const { return *data_; }
  Group& context() const { return *context_; }
  Group& tensor() const { return *tensor_; }
  // Neighbours on the data axis that share the experts: `expert` ranks each.
  Group& expert() const { return *expert_; }
  // data x context: the ranks that hold the same weights, whose gradients are summed.
  Group& replicas() const { return *replicas_; }
  // pipeline x tensor: the ranks that hold one copy of the model together.
  Group& model() const { return *model_; }

 private:
  Group& world_;
  Layout layout_;
  Coordinate at_;
  std::unique_ptr<Group> pipeline_, data_, context_, tensor_, expert_, replicas_, model_;
};

}  // namespace sextant::parallel
