#include "rlhf/reward_report.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "rlhf/pairwise_loss.h"
#include "rlhf/shared_rows.h"
#include "trainer/evaluation.h"

namespace sextant::rlhf {

void PreferenceSums::add(double gap) {
  double better = 1 / (1 + std::exp(-gap));
  trainer::add_to_bins(bins_, {std::max(better, 1 - better), gap > 0 ? 1 : gap == 0 ? 0.5 : 0});
  brier_ += (1 - better) * (1 - better);
}

PreferenceReport PreferenceSums::report() const {
  PreferenceReport report;
  for (const trainer::ReliabilityBin& bin : bins_) {
    report.pairs += bin.count;
    report.accuracy += bin.right;
  }
  if (report.pairs == 0) return report;
  report.accuracy /= report.pairs;
  report.calibration_error = trainer::calibration_error(bins_);
  report.brier = brier_ / report.pairs;
  return report;
}

void PreferenceSums::reduce(parallel::Group& group) {
  std::vector<double> sums{brier_};
  for (const auto& bin : bins_) sums.insert(sums.end(), {bin.count, bin.confidence, bin.right});
  sums = parallel::reduce_numbers(group, sums);
  brier_ = sums[0];
  for (size_t i = 0; i < bins_.size(); ++i) {
    bins_[i].count = sums[1 + 3 * i];
    bins_[i].confidence = sums[2 + 3 * i];
    bins_[i].right = sums[3 + 3 * i];
  }
}

PreferenceReport measure_preferences(trainer::Passes& passes, const trainer::HeldOut& held_out,
                                     parallel::Group& data, parallel::Group& world) {
  PreferenceSums sums;
  bool counts = speaks_for_all(passes.model());
  auto listen = [&](const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows) {
    Pairs pairs = pairs_of(model, hidden, rows);
    at::Tensor gaps = pairs.gaps.to(at::kCPU, at::kDouble).contiguous();
    const double* gap = gaps.const_data_ptr<double>();
    for (int64_t i = 0; counts && i < gaps.numel(); ++i) sums.add(gap[i]);
    return trainer::LossSum{pairs.gaps.sum(), pairs.prompts};
  };
  trainer::held_out_loss(passes, *held_out.microbatches, held_out.count, listen, data, world);
  sums.reduce(world);
  return sums.report();
}

trainer::Scalars scalars_of(const PreferenceReport& report) {
  return {{"accuracy", report.accuracy},
          {"calibration_error", report.calibration_error},
          {"brier", report.brier},
          {"pairs", report.pairs}};
}

}  // namespace sextant::rlhf
