#pragma once

#include <memory>

#include "data/loader.h"
#include "parallel/mesh.h"
#include "trainer/model/transformer.h"
#include "trainer/passes.h"
#include "trainer/run.pb.h"
#include "trainer/step.h"

namespace sextant::trainer {

// What a run computes with on one rank, put together from its settings: for training, for comparing layouts
// and for tests alike, over any kind of group. Weights are undefined until initialised or restored.
class Assembly {
 public:
  // `config` is complete (fill_defaults) and was checked for world.size() ranks. `world` carries the device's
  // tensors and must outlive the assembly. `known`: see TrainStep. All ranks of `world` must call.
  Assembly(const Run& config, parallel::Group& world, at::Device device,
           const parallel::Holdings* known = nullptr);

  const parallel::Mesh& mesh() const { return mesh_; }
  const Transformer& model() const { return *model_; }
  Passes& passes() const { return *passes_; }
  TrainStep& step() const { return *step_; }

 private:
  parallel::Mesh mesh_;
  std::unique_ptr<Transformer> model_;
  std::unique_ptr<Passes> passes_;
  std::unique_ptr<TrainStep> step_;
};

// What every rank of a world of `ranks` holds of the run's model. No communication, and no memory for any
// weight. `config` as for Assembly.
parallel::Holdings holdings_of(const Run& config, int64_t ranks);

// The rows of each step that the ranks at `slice` of the data axis, of `slices`, train on.
data::LoaderShape rows_shape(const Run& config, int64_t slice, int64_t slices);

}  // namespace sextant::trainer
