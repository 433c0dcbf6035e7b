#include "trainer/model/initialise.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "parallel/base/seed.h"
#include "trainer/kernels/share_out.h"

namespace sextant::trainer {
namespace {

// Row-major index in the whole of the local element `index`.
int64_t global_index(int64_t index, const parallel::Slice& slice, const std::vector<int64_t>& whole) {
  int64_t result = 0, stride = 1;
  for (size_t d = whole.size(); d-- > 0;) {
    result += (index % slice.shape[d] + slice.offset[d]) * stride;
    index /= slice.shape[d];
    stride *= whole[d];
  }
  return result;
}

// [elements], drawn in fp64.
template <class Number>
at::Tensor drawn(const OwnedPiece& piece, uint64_t run_seed) {
  const Parameter& parameter = *piece.parameter;
  RandomKey key(run_seed, "initialise " + parameter.name);
  auto slice = parameter.slice();
  at::Tensor numbers =
      at::empty({piece.elements()}, at::TensorOptions().dtype(c10::CppTypeToScalarType<Number>::value));
  auto* memory = numbers.data_ptr<Number>();
  share_out(piece.begin, piece.end, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      auto index = static_cast<uint64_t>(global_index(i, slice, parameter.shape));
      memory[i - piece.begin] = static_cast<Number>(parameter.initial_std * key.normal(0, index));
    }
  });
  return numbers;
}

// In the master's type at once: an embedding in fp64 would be the most that a run ever has in memory.
void fill_normal(const OwnedPiece& piece, uint64_t run_seed) {
  bool wide = piece.options().dtype() == at::kDouble;
  set_master(piece, wide ? drawn<double>(piece, run_seed) : drawn<float>(piece, run_seed));
}

}  // namespace

void initialise(const std::vector<OwnedPiece>& pieces, uint64_t run_seed) {
  at::NoGradGuard no_gradient;
  for (const OwnedPiece& piece : pieces) {
    switch (piece.parameter->initial) {
      case Initial::kNormal:
        fill_normal(piece, run_seed);
        break;
      case Initial::kZeros:
        set_master(piece, at::zeros({piece.elements()}, piece.options()));
        break;
      case Initial::kOnes:
        set_master(piece, at::ones({piece.elements()}, piece.options()));
        break;
    }
  }
}

void initialise(const ParameterList& parameters, uint64_t run_seed) {
  initialise(whole_pieces(parameters), run_seed);
}

}  // namespace sextant::trainer
