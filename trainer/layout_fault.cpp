#include "trainer/layout_fault.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/layout.h"
#include "trainer/verification.h"

namespace sextant::trainer {
namespace {

using parallel::Layout;

// One axis, or one way to use it, put into a layout that has all axes 1.
struct Axis {
  std::string name;
  Layout layout;
};

std::vector<Axis> axes_of(const Layout& whole) {
  std::vector<Axis> axes;
  auto add = [&](const char* name, int64_t size, int64_t Layout::*axis) {
    if (size == 1) return;
    Layout one;
    one.*axis = size;
    axes.push_back({fmt::format("{}={}", name, size), one});
  };
  add("tensor", whole.tensor, &Layout::tensor);
  add("pipeline", whole.pipeline, &Layout::pipeline);
  add("context", whole.context, &Layout::context);
  for (int64_t stage = 0; whole.data > 1 && stage <= whole.zero_stage; ++stage) {
    Layout one;
    one.data = whole.data;
    one.zero_stage = stage;
    axes.push_back({fmt::format("data={} zero_stage={}", whole.data, stage), one});
  }
  if (whole.shard > 0) {
    Layout one;
    one.data = whole.data;
    one.zero_stage = whole.zero_stage;
    one.shard = whole.shard;
    axes.push_back(
        {fmt::format("data={} zero_stage={} shard={}", whole.data, whole.zero_stage, whole.shard), one});
  }
  if (whole.expert > 1) {
    Layout one;
    one.data = whole.data;
    one.expert = whole.expert;
    axes.push_back({fmt::format("data={} expert={}", whole.data, whole.expert), one});
  }
  return axes;
}

// The axes of both.
Layout joined(const Layout& a, const Layout& b) {
  Layout both;
  both.pipeline = std::max(a.pipeline, b.pipeline);
  both.data = std::max(a.data, b.data);
  both.context = std::max(a.context, b.context);
  both.tensor = std::max(a.tensor, b.tensor);
  both.expert = std::max(a.expert, b.expert);
  both.zero_stage = std::max(a.zero_stage, b.zero_stage);
  both.shard = std::max(a.shard, b.shard);
  return both;
}

PartialLayout part(const Run& config, const std::string& name, const Layout& layout) {
  Run run = on_one_rank(config);
  auto& mesh = *run.mutable_parallel();
  mesh.set_pipeline(static_cast<int32_t>(layout.pipeline));
  if (layout.pipeline > 1) {
    mesh.set_schedule(config.parallel().schedule());
    if (config.parallel().has_chunks()) mesh.set_chunks(config.parallel().chunks());
    *mesh.mutable_stage_layers() = config.parallel().stage_layers();
  }
  mesh.set_data(static_cast<int32_t>(layout.data));
  mesh.set_context(static_cast<int32_t>(layout.context));
  mesh.set_tensor(static_cast<int32_t>(layout.tensor));
  mesh.set_expert(static_cast<int32_t>(layout.expert));
  mesh.set_zero_stage(static_cast<int32_t>(layout.zero_stage));
  if (layout.shard > 0) mesh.set_shard(static_cast<int32_t>(layout.shard));
  return {name, layout.ranks(), run};
}

}  // namespace

std::vector<PartialLayout> partial_layouts(const Run& config, int64_t ranks) {
  Layout whole = parallel::layout_for(config.parallel(), ranks);
  std::vector<Axis> axes = axes_of(whole);
  std::vector<PartialLayout> parts;
  parts.reserve(axes.size() * (axes.size() + 1) / 2 + 1);
  for (const Axis& axis : axes) parts.push_back(part(config, axis.name, axis.layout));
  for (size_t i = 0; i < axes.size(); ++i) {
    for (size_t j = i + 1; j < axes.size(); ++j) {
      Layout both = joined(axes[i].layout, axes[j].layout);
      bool same = both == axes[i].layout || both == axes[j].layout;
      if (!same) parts.push_back(part(config, axes[i].name + " " + axes[j].name, both));
    }
  }
  if (axes.size() > 2) parts.push_back(part(config, "all axes", whole));
  return parts;
}

std::string layout_text(const Run& config, int64_t ranks) {
  return parallel::layout_text(parallel::layout_for(config.parallel(), ranks));
}

}  // namespace sextant::trainer
