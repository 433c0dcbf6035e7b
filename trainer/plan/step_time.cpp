#include "trainer/plan/step_time.h"

#include <algorithm>

#include "parallel/base/error.h"
#include "parallel/schedule_check.h"

namespace sextant::trainer {
namespace {

using parallel::ActionKind;

// Of one stage of a rank that has several: an equal part.
double seconds_of(const RankTimes& rank, ActionKind kind, int64_t chunks) {
  double forward = rank.forward + rank.microbatch_communication / 2;
  double backward = rank.backward + rank.microbatch_communication / 2;
  double all = kind == ActionKind::kForward    ? forward
               : kind == ActionKind::kBackward ? backward
                                               : backward / 2;
  return all / static_cast<double>(chunks);
}

double exposed_sums(const RankTimes& rank, const Sharing& sharing) {
  if (!sharing.sums_hide_behind_backward) return rank.step_communication;
  return std::max(0.0, rank.step_communication - rank.backward);
}

}  // namespace

StepTime step_time(const parallel::ScheduleShape& shape, const std::vector<RankTimes>& ranks,
                   const Sharing& sharing) {
  expect(static_cast<int64_t>(ranks.size()) == shape.ranks, "times of every rank of the pipeline");
  parallel::Playback played =
      parallel::play(parallel::make_schedule(shape), [&](int64_t rank, const parallel::Action& action) {
        return seconds_of(ranks[static_cast<size_t>(rank)], action.kind, shape.chunks);
      });
  double microbatches = static_cast<double>(shape.microbatches), count = static_cast<double>(ranks.size());
  double tail = 0, work = 0, communication = 0;
  for (const RankTimes& rank : ranks) {
    double sums = exposed_sums(rank, sharing);
    tail = std::max(tail, rank.rest + sums);
    communication += (microbatches * rank.microbatch_communication + sums) / count;
    work +=
        (microbatches * (rank.forward + rank.backward + rank.microbatch_communication) + rank.rest + sums) /
        count;
  }
  double alone = played.end + tail;
  StepTime time;
  time.seconds = std::max(alone, work * sharing.ranks_a_place);
  double waited = std::max(0.0, played.end - played.work / count);
  // What is waited for elsewhere is another rank's turn.
  time.bubble = std::max(0.0, waited - (time.seconds - alone)) / time.seconds;
  time.communication = communication * sharing.ranks_a_place / time.seconds;
  return time;
}

}  // namespace sextant::trainer
