#include "parallel/schedule_check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

// p ranks, v chunks, m microbatches; a unit is a chunk's forward (unit_cost).
namespace sextant::parallel::schedule_check_test {
namespace {

constexpr MeshSettings::Schedule kKinds[] = {MeshSettings::gpipe, MeshSettings::one_forward_one_backward,
                                             MeshSettings::interleaved, MeshSettings::zero_bubble,
                                             MeshSettings::zero_bubble_v};

// Every shape of up to 8 ranks and 3 p + 2 microbatches that a kind allows.
template <class Body>
void for_shapes(MeshSettings::Schedule kind, Body body) {
  for (int64_t p = 1; p <= 8; ++p) {
    for (int64_t v = 1; v <= 4; ++v) {
      for (int64_t m = 1; m <= 3 * p + 2; ++m) {
        ScheduleShape shape{kind, p, v, m};
        if (!schedule_fault(shape).empty()) continue;
        SCOPED_TRACE(fmt::format("{} p {} v {} m {}", schedule_name(kind), p, v, m));
        body(shape);
      }
    }
  }
}

double as_double(int64_t value) {
  return static_cast<double>(value);
}

TEST(ScheduleCheck, EveryScheduleIsWholeAndFreeOfDeadlock) {
  int64_t shapes = 0;
  for (auto kind : kKinds) {
    for_shapes(kind, [&](const ScheduleShape& shape) {
      EXPECT_NO_THROW(check_schedule(make_schedule(shape)));
      ++shapes;
    });
  }
  EXPECT_EQ(shapes, 7 * 124) << "p from 1 to 8 has 3 p + 2 each; interleaved three times, for 2 to 4 chunks";
}

// Sends that wait for their receiver: what a transport without buffers needs.
TEST(ScheduleCheck, OneChunkARankNeedsNoBuffers) {
  for (auto kind : {MeshSettings::gpipe, MeshSettings::one_forward_one_backward, MeshSettings::zero_bubble}) {
    for_shapes(kind, [&](const ScheduleShape& shape) {
      Schedule schedule = make_schedule(shape);
      Playback waiting;
      ASSERT_NO_THROW(waiting = play(schedule, unit_cost, Transport::kRendezvous));
      EXPECT_EQ(waiting.work, play(schedule).work);
    });
  }
}

// Rank 0 sends the activation of its next turn while rank 1 sends it what that turn comes after.
TEST(ScheduleCheck, SeveralChunksNeedBuffers) {
  for (auto kind : {MeshSettings::interleaved, MeshSettings::zero_bubble_v}) {
    Schedule schedule = make_schedule({kind, 2, 2, 4});
    EXPECT_NO_THROW(play(schedule));
    EXPECT_THROW(play(schedule, unit_cost, Transport::kRendezvous), std::logic_error);
  }
}

TEST(ScheduleCheck, EvaluationDoesNotStandStill) {
  for (auto kind : kKinds) {
    for_shapes(kind, [](const ScheduleShape& shape) { EXPECT_NO_THROW(play(forward_schedule(shape))); });
  }
}

// Huang et al. 2019, section 2.3; Narayanan et al. 2021, section 2.2.1: (p - 1) / m of the ideal time.
TEST(ScheduleCheck, BubbleOfGpipeAnd1f1b) {
  for (auto kind : {MeshSettings::gpipe, MeshSettings::one_forward_one_backward}) {
    for_shapes(kind, [](const ScheduleShape& s) {
      Playback playback = play(make_schedule(s));
      EXPECT_DOUBLE_EQ(playback.end, as_double(3 * (s.microbatches + s.ranks - 1)));
      EXPECT_NEAR(playback.bubble_fraction(),
                  as_double(s.ranks - 1) / as_double(s.microbatches + s.ranks - 1), 1e-12);
    });
  }
}

// Narayanan et al. 2021, section 2.2.2: (p - 1) / (v m) of the ideal time; there p divides m.
TEST(ScheduleCheck, BubbleOfInterleaved) {
  for_shapes(MeshSettings::interleaved, [](const ScheduleShape& s) {
    if (s.microbatches < s.ranks) return;
    Playback playback = play(make_schedule(s));
    double ideal = as_double(3 * s.chunks * s.microbatches);
    EXPECT_NEAR((playback.end - ideal) / ideal, as_double(s.ranks - 1) / as_double(s.chunks * s.microbatches),
                1e-12);
  });
}

// Qi et al. 2023, table 2: (p - 1) (T_F + T_B - T_W), that is p - 1 units.
TEST(ScheduleCheck, BubbleOfZeroBubble) {
  for_shapes(MeshSettings::zero_bubble, [](const ScheduleShape& s) {
    if (s.microbatches < s.ranks) return;
    EXPECT_DOUBLE_EQ(play(make_schedule(s)).end, as_double(3 * s.microbatches + s.ranks - 1));
  });
}

// The same with unequal times, as long as T_F <= T_B and T_W fits into the gaps that 1f1b leaves.
TEST(ScheduleCheck, BubbleOfZeroBubbleWithOtherTimes) {
  auto cost = [](int64_t, const Action& action) {
    return action.kind == ActionKind::kForward         ? 10.0
           : action.kind == ActionKind::kInputGradient ? 11.0
                                                       : 8.0;
  };
  ScheduleShape s{MeshSettings::zero_bubble, 4, 1, 12};
  EXPECT_DOUBLE_EQ(play(make_schedule(s), cost).end, 12 * 29.0 + 3 * (10 + 11 - 8));
}

// Qi et al. 2023, section 6: no rank waits between its first action and its last. Only the start, at which
// rank r has waited r units, is left.
TEST(ScheduleCheck, BubbleOfZeroBubbleV) {
  for_shapes(MeshSettings::zero_bubble_v, [](const ScheduleShape& s) {
    if (s.microbatches < 2 * s.ranks) return;
    Playback playback = play(make_schedule(s));
    EXPECT_DOUBLE_EQ(playback.longest_span(), as_double(6 * s.microbatches));
    EXPECT_DOUBLE_EQ(playback.end, as_double(6 * s.microbatches + s.ranks - 1));
  });
}

TEST(ScheduleCheck, PeakActivations) {
  auto least = [](int64_t a, int64_t b) { return std::min(a, b); };
  for_shapes(MeshSettings::gpipe, [&](const ScheduleShape& s) {
    for (int64_t peak : peak_activations(make_schedule(s))) EXPECT_EQ(peak, s.microbatches);
  });
  for_shapes(MeshSettings::one_forward_one_backward, [&](const ScheduleShape& s) {
    auto peaks = peak_activations(make_schedule(s));
    for (int64_t r = 0; r < s.ranks; ++r) {
      EXPECT_EQ(peaks[static_cast<size_t>(r)], least(s.microbatches, s.ranks - r));
    }
  });
  // In chunks: 1 + (p - 1) / (p v) times 1f1b's p v on the first rank (Narayanan et al. 2021, section 2.2.2
  // with figure 4), less by two a rank.
  for_shapes(MeshSettings::interleaved, [&](const ScheduleShape& s) {
    if (s.microbatches < 2 * s.ranks || s.microbatches % s.ranks != 0) return;
    auto peaks = peak_activations(make_schedule(s));
    for (int64_t r = 0; r < s.ranks; ++r) {
      int64_t early = 2 * (s.ranks - 1 - r) + (s.chunks - 1) * s.ranks + 1;
      EXPECT_EQ(peaks[static_cast<size_t>(r)], early);
    }
  });
  // Qi et al. 2023, table 2: no more than 1f1b's first rank; here all ranks reach it.
  for_shapes(MeshSettings::zero_bubble, [&](const ScheduleShape& s) {
    for (int64_t peak : peak_activations(make_schedule(s))) EXPECT_EQ(peak, least(s.microbatches, s.ranks));
  });
  // Two chunks a rank of half a rank's layers each: p whole ones again.
  for_shapes(MeshSettings::zero_bubble_v, [&](const ScheduleShape& s) {
    for (int64_t peak : peak_activations(make_schedule(s))) {
      EXPECT_LE(peak, 2 * s.ranks);
      EXPECT_GE(peak, least(2 * s.ranks, s.microbatches));
    }
  });
}

TEST(ScheduleCheck, AScheduleIsDrawn) {
  EXPECT_EQ(schedule_text(make_schedule({MeshSettings::one_forward_one_backward, 2, 1, 2})),
            "rank 0   F0 F1 .  .  B0 -- .  B1 --\n"
            "rank 1   .  F0 B0 -- F1 B1 --\n");
  EXPECT_EQ(schedule_text(make_schedule({MeshSettings::zero_bubble, 2, 1, 2})),
            "rank 0   F0 F1 .  I0 W0 I1 W1\n"
            "rank 1   .  F0 I0 F1 I1 W0 W1\n");
}

// What goes wrong is named.
std::string complaint(const Schedule& schedule) {
  try {
    check_schedule(schedule);
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "none";
}

TEST(ScheduleCheck, BrokenListsAreFound) {
  const Schedule good = make_schedule({MeshSettings::zero_bubble, 2, 1, 2});
  EXPECT_EQ(complaint(good), "none");

  Schedule dropped = good;
  dropped.ranks[0].pop_back();
  EXPECT_EQ(complaint(dropped),
            "rank 0 does microbatch 1 of chunk 0 in part: 1 forwards, 1 input gradients, 0 weight gradients");

  Schedule twice = good;
  twice.ranks[1].push_back(twice.ranks[1][0]);
  EXPECT_EQ(complaint(twice), "action 6 (F0) of rank 1 is done twice");

  Schedule whole_too = good;
  whole_too.ranks[1].back().kind = ActionKind::kBackward;
  EXPECT_EQ(complaint(whole_too), "action 5 (B1) of rank 1 is done twice");

  Schedule early = good;
  std::swap(early.ranks[1][0], early.ranks[1][1]);
  EXPECT_EQ(complaint(early), "action 0 (I0) of rank 1 comes before its forward");

  Schedule weights_early = good;
  std::swap(weights_early.ranks[0][2], weights_early.ranks[0][3]);
  EXPECT_EQ(complaint(weights_early), "action 2 (W0) of rank 0 comes before its input gradient");

  Schedule outside = good;
  outside.ranks[0][0].chunk = 1;
  EXPECT_EQ(complaint(outside), "action 0 (F0) of rank 0 is outside of the schedule's shape");

  // Rank 0 wants the gradient of microbatch 0 before it has sent microbatch 1, rank 1 the other way round.
  Schedule stuck = make_schedule({MeshSettings::one_forward_one_backward, 2, 1, 2});
  stuck.ranks[0] = {{ActionKind::kForward, 0, 0},
                    {ActionKind::kBackward, 0, 0},
                    {ActionKind::kForward, 0, 1},
                    {ActionKind::kBackward, 0, 1}};
  stuck.ranks[1] = {{ActionKind::kForward, 0, 0},
                    {ActionKind::kForward, 0, 1},
                    {ActionKind::kBackward, 0, 0},
                    {ActionKind::kBackward, 0, 1}};
  EXPECT_EQ(
      complaint(stuck),
      "the schedule comes to a standstill: action 1 (B0) of rank 0 waits for the gradient of microbatch 0 "
      "for stage 0 from rank 1");
}

}  // namespace
}  // namespace sextant::parallel::schedule_check_test
