#include "parallel/gradient_reducer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "parallel/group_threads.h"
#include "tests/parallel/summed_network.h"

namespace sextant::parallel::gradient_reducer_test {
namespace {

struct Case {
  int64_t ranks, microbatches, bucket_bytes;
  Recompute recompute;
  size_t memory;
  Reduction reduction;

  std::string name() const {
    return fmt::format("Ranks{}Microbatches{}Bytes{}{}{}{}", ranks, microbatches, bucket_bytes,
                       recompute == Recompute::kYes ? "Recomputed" : "", kMemoryNames[memory],
                       reduction == Reduction::kReproducible ? "Reproducible" : "");
  }
  friend void PrintTo(const Case& which, std::ostream* out) { *out << which.name(); }
};

class Reducer : public testing::TestWithParam<Case> {};

TEST_P(Reducer, AnyNumberOfRanksGivesTheGradientOfOne) {
  Case c = GetParam();
  run_ranks(c.ranks, [&](Group& world) {
    Network network;
    SumRules rules{kMemories[c.memory], c.reduction, FixedPoint{6}, {}};
    Summed summed(network.weights(), world, c.bucket_bytes, rules);
    for (int step = 0; step < 3; ++step) {
      run_step(network, summed.reducer, world, c.microbatches, c.recompute);
      EXPECT_GE(summed.reducer.finish(), 0.0);
      expect_reference(summed, fmt::format("rank {} step {}", world.rank().value(), step));
      for (const at::Tensor& weight : network.weights()) EXPECT_FALSE(weight.grad().defined());
    }
  });
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (int64_t ranks : {1, 2, 4}) {
    for (int64_t microbatches : {1, 2}) {
      for (int64_t bucket_bytes : {64, 800, 1 << 20}) {
        for (Recompute recompute : {Recompute::kNo, Recompute::kYes}) {
          for (size_t memory : {0, 1, 2}) {
            for (Reduction reduction : {Reduction::kFast, Reduction::kReproducible})
              all.push_back({ranks, microbatches, bucket_bytes, recompute, memory, reduction});
          }
        }
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Layouts, Reducer, testing::ValuesIn(cases()),
                         [](const auto& which) { return which.param.name(); });

// Two parts of two ranks, and four of one, each part with all of the sum.
TEST(ReducerParts, EachPartOfTheWorldHasTheSum) {
  for (int64_t size : {1, 2}) {
    for (size_t memory = 0; memory < kMemories.size(); ++memory) {
      for (Reduction reduction : {Reduction::kFast, Reduction::kReproducible}) {
        run_ranks(4, [&](Group& world) {
          Network network;
          SumRules rules{kMemories[memory], reduction, FixedPoint{6}, {}};
          auto part_of = [&](Rank rank) { return rank.value() / size; };
          Summed summed(network.weights(), world, 800, rules, at::kDouble, part_of);
          for (int step = 0; step < 3; ++step) {
            run_step(network, summed.reducer, world, 2, Recompute::kNo);
            summed.reducer.finish();
            expect_reference(summed, fmt::format("parts of {}, {}, rank {} step {}", size,
                                                 kMemoryNames[memory], world.rank().value(), step));
          }
          bool shared = size > 1 && kMemories[memory] != GradientMemory::kWhole;
          EXPECT_EQ(summed.reducer.gradient(0).numel(), summed.layout.elements(0) / (shared ? 2 : 1));
        });
      }
    }
  }
}

// pipeline 2 x data 2: a weight on both stages, at opposite ends, others on one.
TEST(ReducerSets, AWeightOnTwoStagesIsSummedOverBoth) {
  for (GradientMemory memory : kMemories) {
    run_ranks(4, [&](Group& world) {
      bool first = world.rank().value() < 2;
      at::Tensor shared = at::ones({40}, at::kDouble).requires_grad_(true);
      at::Tensor own = at::ones({70}, at::kDouble).requires_grad_(true);
      HeldTensor whole{"shared", {{0}, {40}}}, part{first ? "block 0" : "block 1", {{0}, {70}}};
      std::vector<HeldTensor> held = {whole, part};
      std::vector<at::Tensor> values = {shared, own};
      if (!first) std::swap(held[0], held[1]), std::swap(values[0], values[1]);
      Holders holders(world, held);
      BucketLayout layout(Summed::places(values, holders, at::kDouble), 1 << 20);
      SumRules rules;
      rules.memory = memory;
      GradientReducer reducer(values, layout, holders, rules);
      size_t at = first ? 0 : 1;
      for (int step = 0; step < 3; ++step) {
        reducer.begin_step(2);
        for (int m = 0; m < 2; ++m) {
          // Rank r's part of the shared weight's gradient is r + 1, of its own 10 (r + 1).
          auto factor = static_cast<double>(world.rank().value() + 1);
          (shared * factor + own.narrow(0, 0, 40) * (10 * factor)).sum().backward();
        }
        reducer.finish();
        for (size_t leaf : {size_t{0}, size_t{1}}) {
          Range part_here = layout.part_of(leaf, reducer.range(layout.bucket_of(leaf)));
          int64_t begin =
              layout.range_of(leaf).begin + part_here.begin - reducer.range(layout.bucket_of(leaf)).begin;
          at::Tensor sums = reducer.gradient(layout.bucket_of(leaf))
                                .narrow(0, part_here.elements() > 0 ? begin : 0, part_here.elements());
          for (int64_t i = 0; i < sums.numel(); ++i) {
            double wanted = leaf == at ? 2 * (1 + 2 + 3 + 4) : 2 * 10 * (first ? 1 + 2 : 3 + 4);
            if (leaf != at && part_here.begin + i >= 40) wanted = 0;
            EXPECT_EQ(sums[i].item<double>(), wanted)
                << "leaf " << leaf << " element " << part_here.begin + i;
          }
        }
      }
    });
  }
}

TEST(ReducerTypes, Bfloat16ValuesAreSummedInFp32) {
  run_ranks(2, [](Group& world) {
    at::Tensor value = at::ones({1}, at::kBFloat16).requires_grad_(true);
    Summed summed({value}, world, 1024, {}, at::kFloat);
    // 1 + 2^-8 is no bfloat16, each part is.
    summed.reducer.begin_step(2);
    for (double part : {1.0, 1.0 / 256}) (value * part).sum().backward();
    summed.reducer.finish();
    EXPECT_EQ(summed.gradient(0).item<float>(), 2.0f + 2.0f / 256);
  });
}

TEST(ReducerSums, AWeightUnusedInOneStepHasGradientZero) {
  for (GradientMemory memory : kMemories) {
    run_ranks(2, [&](Group& world) {
      at::Tensor a = at::ones({2}).requires_grad_(true), b = at::ones({2}).requires_grad_(true);
      SumRules rules;
      rules.memory = memory;
      Summed summed({a, b}, world, 64, rules, at::kFloat);
      for (int step = 0; step < 4; ++step) {
        summed.reducer.begin_step(1);
        // Rank 0 never uses b in odd steps, rank 1 neither in step 3.
        bool uses_b = step % 2 == 0 || (world.rank() == Rank(1) && step == 1);
        (uses_b ? (a * 3 + b * 5).sum() : (a * 3).sum()).backward();
        summed.reducer.finish();
        double users = step % 2 == 0 ? 2 : (step == 1 ? 1 : 0);
        EXPECT_EQ(summed.gradient(0)[0].item<double>(), 6.0);
        EXPECT_EQ(summed.gradient(1)[1].item<double>(), 5.0 * users) << "step " << step;
      }
    });
  }
}

TEST(ReducerMemory, WholeSumsHaveItFromTheFirstArrivalToTheNextStep) {
  for (Reduction reduction : {Reduction::kFast, Reduction::kReproducible}) {
    for (int64_t ranks : {1, 2}) {
      run_ranks(ranks, [&](Group& world) {
        Network network(at::kFloat);
        Summed summed(network.weights(), world, 100, {GradientMemory::kWhole, reduction, FixedPoint{6}, {}},
                      at::kFloat);
        for (int step = 0; step < 3; ++step) {
          summed.reducer.begin_step(1);
          for (size_t b = 0; b < summed.layout.count(); ++b)
            EXPECT_EQ(summed.reducer.gradient(b).storage().nbytes(), 0U) << "a step begins without gradients";
          network.loss(all_ids(), Recompute::kNo).backward();
          summed.reducer.finish();
          for (size_t b = 0; b < summed.layout.count(); ++b) {
            at::Tensor sums = summed.reducer.gradient(b);
            EXPECT_EQ(sums.numel(), summed.layout.elements(b));
            EXPECT_TRUE(at::isfinite(sums).all().item<bool>())
                << "nothing of the memory's earlier numbers is left";
            sums.fill_(NAN);
          }
        }
      });
    }
  }
}

// Sixteen microbatches of one row each, on any number of ranks, whatever they keep: the same bits.
TEST(ReducerReproducible, RanksAndMemoryMakeNoDifference) {
  std::vector<at::Tensor> reference;
  for (int64_t ranks : {1, 2, 4}) {
    for (GradientMemory memory : kMemories) {
      run_ranks(ranks, [&](Group& world) {
        Network network(at::kFloat);
        SumRules rules{memory, Reduction::kReproducible, FixedPoint{6}, {}};
        Summed summed(network.weights(), world, 100, rules, at::kFloat);
        for (int step = 0; step < 2; ++step) {
          run_step(network, summed.reducer, world, kRows / ranks, Recompute::kNo);
          summed.reducer.finish();
        }
        double largest = reduce_numbers(world, {summed.reducer.largest()}, Reduce::kMax)[0];
        EXPECT_LT(largest, 64.0);
        EXPECT_GT(largest, 0.0);
        for (size_t i = 0; i < network.weights().size(); ++i) {
          at::Tensor sum = summed.gradient(i).clone();
          if (world.rank() != Rank(0)) continue;
          if (reference.size() <= i) reference.push_back(sum);
          EXPECT_TRUE(at::equal(sum, reference[i])) << ranks << " ranks, leaf " << i;
        }
      });
    }
  }
}

TEST(ReducerReproducible, TheLargestArrivalIsSeenEvenWhereItDoesNotFit) {
  auto alone = single_rank_group();
  at::Tensor value = at::ones({3}).requires_grad_(true);
  SumRules rules{GradientMemory::kWhole, Reduction::kReproducible, FixedPoint{0}, {}};
  Summed summed({value}, *alone, 64, rules, at::kFloat);
  summed.reducer.begin_step(2);
  (value * 1e20).sum().backward();
  (value * 3).sum().backward();
  summed.reducer.finish();
  EXPECT_EQ(summed.reducer.largest(), static_cast<double>(1e20f));
  summed.reducer.set_point(FixedPoint::above(1e20, 3));
  summed.reducer.begin_step(1);
  (value * 1e20).sum().backward();
  summed.reducer.finish();
  EXPECT_EQ(summed.gradient(0)[1].item<float>(), 1e20f);
  EXPECT_EQ(summed.reducer.largest_sum(), static_cast<double>(1e20f));
}

TEST(ReducerCalls, OutOfOrderAreBugs) {
  auto alone = single_rank_group();
  at::Tensor value = at::ones({2}).requires_grad_(true);
  Summed summed({value}, *alone, 64, {}, at::kFloat);
  EXPECT_THROW(summed.reducer.finish(), std::logic_error);
  EXPECT_THROW(value.sum().backward(), std::logic_error) << "a backward before begin_step()";
  value.mutable_grad().reset();
  summed.reducer.begin_step(1);
  EXPECT_THROW(summed.reducer.begin_step(1), std::logic_error);
}

TEST(ReducerCalls, HooksGoWithTheReducer) {
  auto alone = single_rank_group();
  at::Tensor value = at::ones({2}).requires_grad_(true);
  { Summed summed({value}, *alone, 64, {}, at::kFloat); }
  value.sum().backward();
  EXPECT_TRUE(value.grad().defined());
}

TEST(ReducerCalls, OnlyLeavesThatWantAGradient) {
  auto alone = single_rank_group();
  EXPECT_THROW(Summed({at::ones({2})}, *alone, 64), std::logic_error);
}

}  // namespace
}  // namespace sextant::parallel::gradient_reducer_test
