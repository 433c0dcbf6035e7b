#include "parallel/schedule.h"

#include <gtest/gtest.h>

#include <set>

#include "parallel/base/error.h"

namespace sextant::parallel::schedule_test {
namespace {

std::string list_text(const Schedule& schedule, size_t rank) {
  std::string text;
  for (const Action& action : schedule.ranks[rank]) {
    text += (text.empty() ? "" : " ") + action_text(schedule.shape, action);
  }
  return text;
}

// As drawn in the papers' figures, for four ranks.
TEST(Schedule, ListsOfThePapers) {
  Schedule gpipe = make_schedule({MeshSettings::gpipe, 4, 1, 4});
  EXPECT_EQ(list_text(gpipe, 2), "F0 F1 F2 F3 B0 B1 B2 B3");
  Schedule plain = make_schedule({MeshSettings::one_forward_one_backward, 4, 1, 8});
  EXPECT_EQ(list_text(plain, 0), "F0 F1 F2 F3 B0 F4 B1 F5 B2 F6 B3 F7 B4 B5 B6 B7");
  EXPECT_EQ(list_text(plain, 3), "F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7");
  Schedule turns = make_schedule({MeshSettings::interleaved, 2, 2, 4});
  EXPECT_EQ(list_text(turns, 0), "F0a F1a F0b F1b F2a B0b F3a B1b F2b B0a F3b B1a B2b B3b B2a B3a");
  EXPECT_EQ(list_text(turns, 1), "F0a F1a F0b B0b F1b B1b F2a B0a F3a B1a F2b B2b F3b B3b B2a B3a");
  Schedule apart = make_schedule({MeshSettings::zero_bubble, 4, 1, 5});
  EXPECT_EQ(list_text(apart, 0), "F0 F1 F2 F3 I0 W0 F4 I1 W1 I2 W2 I3 W3 I4 W4");
  EXPECT_EQ(list_text(apart, 3), "F0 I0 F1 I1 F2 I2 F3 I3 W0 F4 I4 W1 W2 W3 W4");
  Schedule v = make_schedule({MeshSettings::zero_bubble_v, 2, 2, 4});
  EXPECT_EQ(list_text(v, 1),
            "F0a F0b F1a F1b I0b W0b F2a I0a W0a F2b I1b W1b F3a I1a W1a F3b I2b W2b I2a I3b I3a W2a "
            "W3b W3a");
}

TEST(Schedule, OneRankGoesForwardAndBackInTurns) {
  Schedule alone = make_schedule({MeshSettings::one_forward_one_backward, 1, 1, 3});
  EXPECT_EQ(list_text(alone, 0), "F0 B0 F1 B1 F2 B2");
}

TEST(Schedule, StagesGoRoundOrInAV) {
  ScheduleShape round{MeshSettings::interleaved, 3, 2, 4};
  EXPECT_EQ(place_of(round, 4), (StagePlace{1, 1}));
  ScheduleShape v{MeshSettings::zero_bubble_v, 3, 2, 4};
  EXPECT_EQ(place_of(v, 0), (StagePlace{0, 0}));
  EXPECT_EQ(place_of(v, 2), (StagePlace{2, 0}));
  EXPECT_EQ(place_of(v, 3), (StagePlace{2, 1})) << "the tip: two stages in a row";
  EXPECT_EQ(place_of(v, 5), (StagePlace{0, 1})) << "the end comes back to rank 0";
  for (const ScheduleShape& shape : {round, v}) {
    for (int64_t stage = 0; stage < shape.stages(); ++stage) {
      StagePlace place = place_of(shape, stage);
      EXPECT_EQ(stage_of(shape, place.rank, place.chunk), stage);
    }
  }
}

TEST(Schedule, MessagesFollowFromActions) {
  ScheduleShape v{MeshSettings::zero_bubble_v, 2, 2, 1};
  EXPECT_FALSE(input_of(v, 0, {ActionKind::kForward, 0, 0}));
  EXPECT_EQ(output_of(v, 0, {ActionKind::kForward, 0, 0}), (Message{Cargo::kActivation, 1, 0, 0, 1}));
  EXPECT_EQ(output_of(v, 1, {ActionKind::kForward, 0, 0}), (Message{Cargo::kActivation, 2, 0, 1, 1}))
      << "local";
  EXPECT_EQ(input_of(v, 0, {ActionKind::kForward, 1, 0}), (Message{Cargo::kActivation, 3, 0, 1, 0}));
  EXPECT_FALSE(output_of(v, 0, {ActionKind::kForward, 1, 0}));
  EXPECT_FALSE(input_of(v, 0, {ActionKind::kInputGradient, 1, 0}));
  EXPECT_EQ(output_of(v, 0, {ActionKind::kInputGradient, 1, 0}), (Message{Cargo::kGradient, 2, 0, 0, 1}));
  EXPECT_FALSE(output_of(v, 0, {ActionKind::kInputGradient, 0, 0}));
  EXPECT_FALSE(output_of(v, 0, {ActionKind::kWeightGradient, 1, 0}));

  Schedule schedule = make_schedule({MeshSettings::interleaved, 2, 2, 2});
  auto down = messages_between(schedule, 0, 1);
  ASSERT_EQ(down.size(), 6u) << "two microbatches: chunk 0 and 1 forward, the gradient of chunk 1 back";
  EXPECT_EQ(down[0], (Message{Cargo::kActivation, 1, 0, 0, 1}));
}

TEST(Schedule, EvaluationIsForwardsAlone) {
  Schedule schedule = forward_schedule({MeshSettings::zero_bubble_v, 2, 2, 3});
  EXPECT_EQ(list_text(schedule, 0), "F0a F1a F2a F0b F1b F2b");
}

TEST(Schedule, NamesAreYamls) {
  EXPECT_EQ(schedule_name(MeshSettings::one_forward_one_backward), "1f1b");
  EXPECT_EQ(schedule_name(MeshSettings::zero_bubble_v), "zero_bubble_v");
}

TEST(Schedule, ChunksFollowTheKind) {
  MeshSettings settings;
  settings.set_pipeline(4);
  EXPECT_EQ(schedule_shape(settings, 8), (ScheduleShape{MeshSettings::one_forward_one_backward, 4, 1, 8}));
  settings.set_schedule(MeshSettings::interleaved);
  EXPECT_EQ(schedule_shape(settings, 8).chunks, 2);
  settings.set_chunks(3);
  EXPECT_EQ(schedule_shape(settings, 8).chunks, 3);
}

std::string refusal(const ScheduleShape& shape) {
  try {
    make_schedule(shape);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  return "no error";
}

TEST(Schedule, ChunksThatTheKindDoesNotHaveAreRefused) {
  EXPECT_EQ(refusal({MeshSettings::one_forward_one_backward, 4, 2, 8}),
            "the 1f1b schedule has 1 chunk a rank, but parallel.chunks is 2; set parallel.chunks=1, or "
            "parallel.schedule=interleaved");
  EXPECT_EQ(refusal({MeshSettings::interleaved, 4, 1, 8}),
            "the interleaved schedule has 2 chunks a rank or more, but parallel.chunks is 1; set "
            "parallel.chunks=2");
  EXPECT_EQ(
      refusal({MeshSettings::zero_bubble_v, 4, 3, 8}),
      "the zero_bubble_v schedule has 2 chunks a rank, but parallel.chunks is 3; set parallel.chunks=2");
}

}  // namespace
}  // namespace sextant::parallel::schedule_test
