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

Rows rows_of(const data::Batch& batch, int64_t first, int64_t count, at::Device device,
             const ContextCut& cut) {
  expect(first >= 0 && first + count <= batch.rows, "rows lie inside their batch");
  auto whole = [&](const auto& all) { return copy_rows(all, first, count, batch.time, device); };
  std::vector<at::Tensor> columns;
  columns.reserve(batch.columns.size());
  for (const auto& column : batch.columns) columns.push_back(cut(whole(column)));
  return {cut(whole(batch.tokens)),
          cut(whole(batch.targets)),
          cut(whole(batch.loss_mask)),
          cut(whole(batch.positions)),
          whole(batch.documents),
          std::move(columns),
          {}};
}

}  // namespace sextant::trainer
