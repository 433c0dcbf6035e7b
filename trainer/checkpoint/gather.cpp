#include "trainer/checkpoint/gather.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "parallel/base/error.h"
#include "trainer/checkpoint/box.h"
#include "trainer/checkpoint/dtype.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/save_plan.h"

namespace sextant::trainer {
namespace {

// Rank 0: the place for a box of `piece`; the whole is made when its first box comes.
at::Tensor place_for(std::map<std::string, at::Tensor>& wholes, const Manifest::Piece& piece) {
  at::Tensor& whole = wholes[piece.name()];
  if (!whole.defined()) {
    std::vector<int64_t> shape(piece.whole().begin(), piece.whole().end());
    whole = at::empty(shape, at::TensorOptions(dtype_named(piece.dtype()).value()));
  }
  return view_of(whole, piece_slice(piece));
}

}  // namespace

std::map<std::string, at::Tensor> gather_state(parallel::Group& world,
                                               const std::vector<StateTensor>& state) {
  at::NoGradGuard no_gradient;
  std::vector<SaveReport> held;
  for (const std::string& bytes : parallel::gather_bytes(world, announce(state).SerializeAsString())) {
    expect(held.emplace_back().ParseFromString(bytes), "a rank's report arrives whole");
  }
  std::vector<std::vector<int>> plan = plan_save(held);
  bool first = world.rank() == Rank(0);
  std::map<std::string, at::Tensor> wholes;
  for (size_t rank = 0; rank < plan.size(); ++rank) {
    Rank from(static_cast<int64_t>(rank));
    for (int index : plan[rank]) {
      at::Tensor sent;
      if (from == world.rank()) sent = state[static_cast<size_t>(index)].numbers().cpu().contiguous();
      if (!first) {
        if (sent.defined()) world.send(sent, Rank(0));
        continue;
      }
      at::Tensor place = place_for(wholes, held[rank].pieces(index));
      if (!sent.defined()) world.recv(sent = at::empty(place.sizes(), place.options()), from);
      place.copy_(sent);
    }
  }
  return wholes;
}

}  // namespace sextant::trainer
