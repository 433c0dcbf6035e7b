#include "trainer/evaluation/program_grading.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "trainer/evaluation/statistics.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

constexpr size_t kProgramsAtATime = 8;

}  // namespace

ProgramGrading::ProgramGrading(const CodeSandbox& sandbox, const EvalTask& task,
                               std::vector<ordered_json>& records)
    : sandbox_(sandbox), task_(task), records_(records) {
  for (size_t record = 0; record < records.size(); ++record) {
    for (size_t one = 0; one < records[record]["samples"].size(); ++one) places_.emplace_back(record, one);
  }
}

ordered_json& ProgramGrading::sample(size_t place) {
  return records_[places_[place].first]["samples"][places_[place].second];
}

bool ProgramGrading::run_some() {
  size_t last = std::min(done_ + kProgramsAtATime, places_.size());
  auto threads = static_cast<size_t>(std::max(1, at::get_num_threads()));
  while (done_ < last) {
    std::vector<std::future<ProgramRun>> runs;
    for (size_t at = done_; at < std::min(last, done_ + threads); ++at) {
      runs.push_back(std::async(std::launch::async, [this, text = sample(at)["program"].get<std::string>()] {
        return sandbox_.run(task_.sandbox(), text);
      }));
    }
    for (std::future<ProgramRun>& one : runs) {
      ProgramRun run = one.get();
      sample(done_)["verdict"] = name_of(run.verdict);
      sample(done_)["status"] = run.status;
      sample(done_)["errors"] = run.errors;
      ++done_;
    }
  }
  if (done_ == places_.size()) grade();
  return done_ < places_.size();
}

void ProgramGrading::grade() {
  for (ordered_json& record : records_) {
    int64_t right = 0;
    for (const ordered_json& one : record["samples"])
      right += one["verdict"] == name_of(ProgramRun::Verdict::kPassed) ? 1 : 0;
    std::vector<int64_t> each(task_.pass_at().begin(), task_.pass_at().end());
    if (each.empty()) each = {1};
    for (int64_t k : each)
      record["grade"][fmt::format("pass@{}", k)] = pass_at(k, std::ssize(record["samples"]), right);
  }
}

}  // namespace sextant::trainer
