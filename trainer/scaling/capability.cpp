#include "trainer/scaling/capability.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "parallel/base/error.h"
#include "trainer/config/complaint.h"
#include "trainer/scaling/csv_table.h"
#include "trainer/scaling/points.h"

namespace sextant::trainer {
namespace {

struct Mean {
  double sum = 0;
  size_t count = 0;
};

// -log pass rate, added up by amount of compute.
struct Collected {
  std::string name;
  size_t problems = 0;
  std::map<double, Mean> at;
};

double minus_log_pass_rate(const CsvTable& table, size_t record) {
  double rate = table.number(record, 1);
  if (rate == 0) {
    fail_input(table.place(record) +
               ": a pass rate of 0 has no logarithm; estimate it from more samples, or leave its bucket out "
               "(--leave-out)");
  }
  if (!(rate > 0 && rate <= 1)) {
    fail_input(fmt::format("{}: a pass rate of {} is no share of samples; it is above 0 and at most 1",
                           table.place(record), rate));
  }
  return -std::log(rate);
}

double compute_of(const CsvTable& table, size_t record) {
  double flops = table.number(record, 0);
  if (flops > 0) return flops;
  fail_input(fmt::format("{}: {} FLOPs are no amount of compute; it is above 0", table.place(record), flops));
}

CapabilityBucket bucket_of(const Collected& collected, const std::string& file) {
  const std::string where = collected.name.empty() ? file : file + ": bucket " + shown(collected.name);
  CapabilityBucket bucket{collected.name, {}, collected.problems};
  bucket.points.log_x.resize(1);
  for (const auto& [flops, mean] : collected.at) {
    double value = mean.sum / static_cast<double>(mean.count);
    if (!(value > 0)) {
      fail_input(
          fmt::format("{}: all problems are always solved at {:g} FLOPs, so -log of the pass rate is 0 and "
                      "follows no power law; leave the bucket out (--leave-out)",
                      where, flops));
    }
    bucket.points.log_x[0].push_back(std::log(flops));
    bucket.points.log_y.push_back(std::log(value));
  }
  require_enough(bucket.points, law_of(ScalingForm::kCapability), where);
  return bucket;
}

}  // namespace

std::vector<CapabilityBucket> read_capability(const std::filesystem::path& file,
                                              const CapabilityColumns& columns,
                                              const std::vector<std::string>& left_out) {
  std::vector<std::string> asked = {columns.flops, columns.pass_rate};
  if (!columns.bucket.empty()) asked.push_back(columns.bucket);
  CsvTable table(file, asked);
  std::vector<Collected> collected;
  std::map<std::string, size_t> known;
  std::set<std::string> missing(left_out.begin(), left_out.end());
  for (size_t i = 0; i < table.records(); ++i) {
    std::string name = columns.bucket.empty() ? "" : table.text(i, 2);
    if (std::find(left_out.begin(), left_out.end(), name) != left_out.end()) {
      missing.erase(name);
      continue;
    }
    auto [place, is_new] = known.try_emplace(name, collected.size());
    if (is_new) collected.push_back({name, 0, {}});
    Collected& bucket = collected[place->second];
    Mean& mean = bucket.at[compute_of(table, i)];
    mean.sum += minus_log_pass_rate(table, i);
    ++mean.count;
    ++bucket.problems;
  }
  require(missing.empty(), missing.empty() ? ""
                                           : file.string() + ": there is no bucket " +
                                                 shown(*missing.begin()) + " to leave out");
  require(!collected.empty(), file.string() + ": no records are left to fit");
  std::vector<CapabilityBucket> buckets;
  buckets.reserve(collected.size());
  for (const Collected& one : collected) buckets.push_back(bucket_of(one, file.string()));
  return buckets;
}

}  // namespace sextant::trainer
