#include "trainer/rows.h"

#include <ATen/ATen.h>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

template <class T>
at::Tensor copy_rows(const std::vector<T>& all, int64_t first, int64_t count, int64_t time,
                     at::Device device) {
  if (all.empty()) return {};
  auto options = at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value);
  // from_blob borrows without writing; clone makes the memory our own before `all` can go.
  auto* data = const_cast<T*>(all.data() + first * time);
  return at::from_blob(data, {count, time}, options).clone().to(device);
}

}  // namespace

Rows rows_of(const data::Batch& batch, int64_t first, int64_t count, at::Device device) {
  expect(first >= 0 && first + count <= batch.rows, "rows lie inside their batch");
  return {copy_rows(batch.tokens, first, count, batch.time, device),
          copy_rows(batch.targets, first, count, batch.time, device),
          copy_rows(batch.loss_mask, first, count, batch.time, device),
          copy_rows(batch.positions, first, count, batch.time, device),
          copy_rows(batch.documents, first, count, batch.time, device)};
}

}  // namespace sextant::trainer
