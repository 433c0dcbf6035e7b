#include "trainer/context_cut.h"

#include <ATen/ATen.h>

#include "parallel/base/error.h"

namespace sextant::trainer {

at::Tensor ContextCut::operator()(const at::Tensor& rows) const {
  if (ranks == 1 || !rows.defined()) return rows;
  int64_t chunks = kind == parallel::MeshSettings::ring ? 2 * ranks : ranks;
  expect(rows.size(1) % chunks == 0, "the chunks of a row are equal");
  int64_t chunk = rows.size(1) / chunks;
  auto piece = [&](int64_t i) { return rows.narrow(1, i * chunk, chunk); };
  if (kind == parallel::MeshSettings::ulysses) return piece(rank).contiguous();
  return at::cat({piece(rank), piece(chunks - 1 - rank)}, 1);
}

}  // namespace sextant::trainer
