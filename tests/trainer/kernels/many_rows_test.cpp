// Linear layers for many rows and attention of branches, for every instruction set, against ATen in fp64; and
// that a row's bits are its own.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/harness/finite_differences.h"
#include "trainer/kernels/branch_attention.h"
#include "trainer/kernels/many_rows_linear.h"

namespace sextant::trainer {
namespace {

using testing_harness::wavy;

// Largest difference, in units of the largest expected number.
double apart(const at::Tensor& ours, const at::Tensor& expected) {
  at::Tensor exact = expected.to(at::kDouble);
  return ((ours.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
}

class ManyRows : public testing::TestWithParam<InstructionSet> {
 protected:
  static at::Tensor make(at::IntArrayRef shape, double phase) { return wavy(shape, phase).to(at::kFloat); }
  c10::InferenceMode inference_;
};

std::string many_rows_name(const testing::TestParamInfo<InstructionSet>& named) {
  return name_of(named.param);
}

INSTANTIATE_TEST_SUITE_P(Sets, ManyRows, testing::ValuesIn(supported_instruction_sets()), many_rows_name);

TEST_P(ManyRows, LinearsAgreeWithFp64) {
  for (int64_t in : {1, 7, 64, 203, 576}) {
    for (int64_t rows : {1, 5, 12, 33, 100}) {
      at::Tensor x = make({2, rows, in}, 0.3), first = make({5, in}, 1.3), second = make({77, in}, 2.1);
      at::Tensor bias = make({77}, 0.8), wide = x.to(at::kDouble);
      auto ours = many_rows_linear(x, {{first, at::Tensor()}, {second, bias}}, GetParam());
      // Sums of up to 576 terms, 6e-8 each.
      EXPECT_LT(apart(ours[0], at::linear(wide, first.to(at::kDouble))), 1e-5);
      EXPECT_LT(apart(ours[1], at::linear(wide, second.to(at::kDouble), bias.to(at::kDouble))), 1e-5)
          << in << " numbers, " << rows << " rows";
    }
  }
}

TEST_P(ManyRows, ARowsBitsDependNeitherOnTheOthersNorOnItsPlaceNorOnThreads) {
  at::Tensor x = make({90, 203}, 0.3), weight = make({83, 203}, 1.3), bias = make({83}, 0.4);
  at::Tensor all = many_rows_linear(x, {{weight, bias}}, GetParam())[0];
  for (int64_t first : {0, 1, 7, 40}) {
    for (int64_t count : {1, 3, 11, 12, 13, 37}) {
      at::Tensor some = many_rows_linear(x.narrow(0, first, count), {{weight, bias}}, GetParam())[0];
      EXPECT_TRUE(at::equal(some, all.narrow(0, first, count))) << count << " rows from " << first;
    }
  }
  int threads = at::get_num_threads();
  at::set_num_threads(3);
  EXPECT_TRUE(at::equal(many_rows_linear(x, {{weight, bias}}, GetParam())[0], all));
  at::set_num_threads(threads);
}

constexpr int64_t kHeads = 6, kKeyHeads = 2, kWidth = 24;

// Keys and values of what is kept, and a packed row's.
struct Inputs {
  at::Tensor query, key, value, kept_keys, kept_values;

  Inputs(int64_t tokens, int64_t kept, at::ScalarType type)
      : query(wavy({1, tokens, kHeads, kWidth}, 0.1).to(type)),
        key(wavy({1, tokens, kKeyHeads, kWidth}, 0.9).to(type)),
        value(wavy({1, tokens, kKeyHeads, kWidth}, 1.7).to(type)),
        kept_keys(wavy({1, kKeyHeads, kept, kWidth}, 2.2).to(type)),
        kept_values(wavy({1, kKeyHeads, kept, kWidth}, 2.9).to(type)) {}

  at::Tensor attend(const std::vector<Branch>& branches, int64_t window, InstructionSet set) const {
    return branch_attention(query, key, value, kept_keys, kept_values, branches, at::Tensor(), window, set);
  }

  // Through ATen, in fp64.
  at::Tensor expected(const std::vector<Branch>& branches, int64_t window) const {
    auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
    at::Tensor mask = branch_mask(branches, query.size(1), kept_keys.size(2), window);
    return branch_attention(wide(query), wide(key), wide(value), wide(kept_keys), wide(kept_values), branches,
                            mask, window);
  }
};

// A tree of branches, one by itself, one with an end, and one token in no branch.
const std::vector<Branch> kBranches = {{0, 9},   {9, 11, 0}, {11, 28, 1}, {28, 30, 1},
                                       {30, 31}, {32, 60},   {60, 61, 5}};

TEST_P(ManyRows, BranchesAgreeWithFp64) {
  for (auto type : {at::kFloat, at::kBFloat16}) {
    // bf16: rounding of the result to 8 bits.
    double tolerance = type == at::kFloat ? 1e-5 : 4e-3;
    for (int64_t kept : {0, 1, 20}) {
      for (int64_t window : {0, 1, 7, 30}) {
        Inputs inputs(61, kept, type);
        at::Tensor ours = inputs.attend(kBranches, window, GetParam());
        at::Tensor expected = inputs.expected(kBranches, window);
        for (const Branch& branch : kBranches) {
          int64_t count = branch.last - branch.first;
          EXPECT_LT(apart(ours.narrow(1, branch.first, count), expected.narrow(1, branch.first, count)),
                    tolerance)
              << kept << " kept, window " << window << ", branch at " << branch.first;
        }
      }
    }
  }
}

TEST_P(ManyRows, ABranchsBitsAreItsOwn) {
  for (auto type : {at::kFloat, at::kBFloat16}) {
    Inputs all(61, 5, type);
    for (int64_t window : {0, 11}) {
      at::Tensor together = all.attend(kBranches, window, GetParam());
      // The second item's front and end, further left and alone.
      Inputs moved(29, 5, type);
      moved.query.copy_(all.query.narrow(1, 32, 29));
      moved.key.copy_(all.key.narrow(1, 32, 29));
      moved.value.copy_(all.value.narrow(1, 32, 29));
      moved.kept_keys = all.kept_keys;
      moved.kept_values = all.kept_values;
      EXPECT_TRUE(
          at::equal(moved.attend({{0, 28}, {28, 29, 0}}, window, GetParam()), together.narrow(1, 32, 29)));
    }
  }
}

}  // namespace
}  // namespace sextant::trainer
