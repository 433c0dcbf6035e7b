#include "tests/parallel/staged_network.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "parallel/schedule_check.h"

namespace sextant::parallel {
namespace {

at::Tensor wave(int64_t rows, int64_t columns, double start) {
  return at::sin(at::arange(rows * columns, at::kDouble) * 0.37 + start).view({rows, columns});
}

// A chunk's microbatch between its forward and its backward.
struct Kept {
  at::Tensor x, z, dz;  // [R, C]
};

void expect_equal(const StagedNetwork& network, const StagedNetwork::Result& got, int64_t rank) {
  StagedNetwork::Result wanted = network.reference();
  const ScheduleShape& shape = network.shape;
  for (int64_t chunk = 0; chunk < shape.chunks; ++chunk) {
    int64_t stage = stage_of(shape, rank, chunk);
    const at::Tensor& reference = wanted.weight_gradients[static_cast<size_t>(stage)];
    double off = (got.weight_gradients[static_cast<size_t>(chunk)] - reference).abs().max().item<double>();
    // The same sums in another order of microbatches.
    EXPECT_LE(off, 1e-12 * reference.abs().max().item<double>()) << "stage " << stage;
    double loss = stage + 1 == shape.stages() ? wanted.loss : got.loss;
    EXPECT_NEAR(got.loss, loss, 1e-12 * std::abs(loss));
  }
}

}  // namespace

at::Tensor StagedNetwork::weight(int64_t stage) const {
  return wave(channels, channels, 0.1 + static_cast<double>(stage)) / static_cast<double>(channels);
}
at::Tensor StagedNetwork::input(int64_t microbatch) const {
  return wave(rows, channels, 100.0 + static_cast<double>(microbatch));
}
at::Tensor StagedNetwork::loss_gradient(int64_t microbatch) const {
  return wave(rows, channels, 200.0 + static_cast<double>(microbatch));
}

StagedNetwork::Result StagedNetwork::reference() const {
  Result result;
  for (int64_t s = 0; s < shape.stages(); ++s) result.weight_gradients.push_back(at::zeros_like(weight(s)));
  for (int64_t m = 0; m < shape.microbatches; ++m) {
    std::vector<at::Tensor> inputs{input(m)};
    for (int64_t s = 0; s < shape.stages(); ++s) {
      inputs.push_back(at::sin(at::matmul(inputs.back(), weight(s))));
    }
    result.loss += (inputs.back() * loss_gradient(m)).sum().item<double>();
    at::Tensor dy = loss_gradient(m);
    for (int64_t s = shape.stages(); s-- > 0;) {
      const at::Tensor& x = inputs[static_cast<size_t>(s)];
      at::Tensor dz = dy * at::cos(at::matmul(x, weight(s)));
      result.weight_gradients[static_cast<size_t>(s)] += at::matmul(x.t(), dz);
      dy = at::matmul(dz, weight(s).t());
    }
  }
  return result;
}

StagedNetwork::Result StagedNetwork::run(PipelineEngine& engine, const Schedule& schedule,
                                         int64_t rank) const {
  Result result;
  for (int64_t c = 0; c < shape.chunks; ++c) result.weight_gradients.push_back(at::zeros_like(weight(0)));
  std::map<std::pair<int64_t, int64_t>, Kept> kept;
  StageCalls calls;
  calls.forward = [&](int64_t chunk, int64_t m, const at::Tensor& x) {
    int64_t stage = stage_of(shape, rank, chunk);
    EXPECT_EQ(x.defined(), stage > 0);
    at::Tensor in = stage == 0 ? input(m) : x;
    at::Tensor z = at::matmul(in, weight(stage));
    kept[{chunk, m}] = {in, z, {}};
    at::Tensor y = at::sin(z);
    if (stage + 1 == shape.stages()) result.loss += (y * loss_gradient(m)).sum().item<double>();
    return y;
  };
  calls.weights = [&](int64_t chunk, int64_t m) {
    Kept& mine = kept.at({chunk, m});
    result.weight_gradients[static_cast<size_t>(chunk)] += at::matmul(mine.x.t(), mine.dz);
    kept.erase({chunk, m});
  };
  calls.backward = [&](const Action& action, const at::Tensor& dy) {
    int64_t stage = stage_of(shape, rank, action.chunk);
    EXPECT_EQ(dy.defined(), stage + 1 < shape.stages());
    Kept& mine = kept.at({action.chunk, action.microbatch});
    mine.dz = (dy.defined() ? dy : loss_gradient(action.microbatch)) * at::cos(mine.z);
    at::Tensor dx = at::matmul(mine.dz, weight(stage).t());
    if (action.kind == ActionKind::kBackward) calls.weights(action.chunk, action.microbatch);
    return stage == 0 ? at::Tensor() : dx;
  };
  engine.run(schedule, {{rows, channels}, at::TensorOptions(at::kDouble)}, calls);
  EXPECT_TRUE(kept.empty()) << "every forward has had its backward";
  return result;
}

void try_all_schedules(Group& pipeline, int64_t rows, int64_t channels) {
  PipelineEngine engine(pipeline);
  int64_t n = pipeline.size(), rank = pipeline.rank().value();
  for (auto kind : {MeshSettings::gpipe, MeshSettings::one_forward_one_backward, MeshSettings::interleaved,
                    MeshSettings::zero_bubble, MeshSettings::zero_bubble_v}) {
    for (int64_t chunks : {1, 2, 3}) {
      for (int64_t microbatches : {int64_t{1}, n, 2 * n + 1}) {
        StagedNetwork network{{kind, n, chunks, microbatches}, rows, channels};
        if (!schedule_fault(network.shape).empty()) continue;
        SCOPED_TRACE(fmt::format("{} ranks {} chunks {} microbatches {} rank {}", schedule_name(kind), n,
                                 chunks, microbatches, rank));
        expect_equal(network, network.run(engine, make_schedule(network.shape), rank), rank);
      }
    }
  }
}

}  // namespace sextant::parallel
