#include "trainer/context_cut.h"

#include <ATen/ATen.h>

#include <vector>

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

at::Tensor ContextCut::joined(const at::Tensor& parts) const {
  if (ranks == 1 || kind == parallel::MeshSettings::ulysses) return parts;
  int64_t chunk = parts.size(1) / (2 * ranks);
  std::vector<at::Tensor> pieces;
  for (int64_t i = 0; i < 2 * ranks; ++i) {
    int64_t place = i < ranks ? 2 * i : 2 * (2 * ranks - 1 - i) + 1;
    pieces.push_back(parts.narrow(1, place * chunk, chunk));
  }
  return at::cat(pieces, 1);
}

}  // namespace sextant::trainer
