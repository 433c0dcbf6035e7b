#pragma once

#include <fmt/format.h>

#include <string>

#include "parallel/mesh.pb.h"

namespace sextant::rlhf {

// A layout that a test tries.
struct Axes {
  int32_t data = 1, tensor = 1, pipeline = 1, context = 1, expert = 1, zero_stage = 0;
  parallel::MeshSettings::ContextKind context_kind = parallel::MeshSettings::ring;

  int32_t ranks() const { return data * tensor * pipeline * context; }

  void apply(parallel::MeshSettings& mesh) const {
    mesh.set_data(data);
    mesh.set_tensor(tensor);
    mesh.set_pipeline(pipeline);
    mesh.set_context(context);
    mesh.set_context_kind(context_kind);
    mesh.set_expert(expert);
    mesh.set_zero_stage(zero_stage);
  }

  std::string text() const {
    return fmt::format("dp {} tp {} pp {} cp {} {} ep {} zero {}", data, tensor, pipeline, context,
                       parallel::MeshSettings::ContextKind_Name(context_kind), expert, zero_stage);
  }
};

// What models that learn from comparisons are tried on.
inline constexpr Axes kLayoutsOfComparisons[] = {
    {.data = 2},
    {.tensor = 2},
    {.pipeline = 2},
    {.data = 2, .pipeline = 2},
    {.context = 2},
    {.context = 2, .context_kind = parallel::MeshSettings::ulysses},
    {.tensor = 2, .pipeline = 2, .context = 2},
};

}  // namespace sextant::rlhf
