#include "trainer/evaluation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "parallel/fixed_point.h"

namespace sextant::trainer {

double held_out_loss(Passes& passes, data::Loader& microbatches, int64_t count, const LossFunction& loss,
                     parallel::Group& data, parallel::Group& world) {
  auto rows = [&](int64_t turn) {
    int64_t index = turn * data.size() + data.rank().value();
    data::Batch batch = microbatches.batch(std::min(index, count - 1));
    Rows all =
        rows_of(batch, 0, batch.rows, passes.model().parameters().device(), passes.model().context_cut());
    if (index >= count) all.loss_mask.zero_();
    return all;
  };
  // Sums that no order changes: every layout gives the same loss, to the bit where its parts are the same.
  std::vector<parallel::FixedSum> sums(2);
  double broken = 0;  // losses that are no numbers
  for (const at::Tensor& part : passes.evaluate((count + data.size() - 1) / data.size(), rows, loss)) {
    at::Tensor numbers = part.to(at::kCPU);
    for (size_t i = 0; i < sums.size(); ++i) {
      auto number = numbers[static_cast<int64_t>(i)].item<double>();
      if (std::isfinite(number)) {
        sums[i] += parallel::FixedSum::of(number);
      } else {
        ++broken;
      }
    }
  }
  sums = parallel::reduce_sums(world, sums);
  if (parallel::reduce_numbers(world, {broken})[0] > 0) return std::numeric_limits<double>::quiet_NaN();
  return sums[1].value() > 0 ? sums[0].value() / sums[1].value() : 0;
}

}  // namespace sextant::trainer
