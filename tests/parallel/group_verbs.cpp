#include "tests/parallel/group_verbs.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "parallel/waited_seconds.h"

// Values are whole numbers, so sums are exact in any order and every comparison is ==.
namespace sextant::parallel {
namespace {

const std::vector<at::ScalarType> kNumbers = {at::kFloat, at::kDouble,   at::kLong, at::kInt,
                                              at::kHalf,  at::kBFloat16, at::kByte};

int64_t sum_of_ranks(const Group& group) {
  return group.size() * (group.size() - 1) / 2;
}

// [count]: 0, 1, 2 ... 6, 0, 1 ... plus `offset`.
at::Tensor ramp(int64_t count, int64_t offset, at::ScalarType type) {
  return (at::arange(count, at::kLong).remainder(7) + offset).to(type);
}

void check_equal(const at::Tensor& got, const at::Tensor& wanted, const std::string& what) {
  EXPECT_TRUE(got.scalar_type() == wanted.scalar_type() && at::equal(got, wanted)) << what;
}

void all_reduce_sums(Group& group) {
  int64_t n = group.size();
  for (at::ScalarType type : kNumbers) {
    at::Tensor tensor = ramp(1000, group.rank().value(), type).view({10, 100});
    group.all_reduce(tensor);
    auto wanted =
        (at::arange(1000, at::kLong).remainder(7) * n + sum_of_ranks(group)).to(type).view({10, 100});
    check_equal(tensor, wanted, c10::toString(type));
  }
}

void all_reduce_finds_extremes(Group& group) {
  for (at::ScalarType type : kNumbers) {
    at::Tensor high = ramp(10, group.rank().value(), type), low = high.clone();
    group.all_reduce(high, Reduce::kMax);
    group.all_reduce(low, Reduce::kMin);
    check_equal(high, ramp(10, group.size() - 1, type), "maximum");
    check_equal(low, ramp(10, 0, type), "minimum");
  }
}

// 1 + 2^-9 is no bfloat16: were each addition rounded, the small parts would be lost.
void half_types_are_summed_wider(Group& group) {
  if (group.size() < 4) return;
  at::Tensor tensor = at::full({3}, group.rank() == Rank(0) ? 1.0 : 1.0 / 256, at::kBFloat16);
  group.all_reduce(tensor);
  auto exact = at::full({3}, 1.0 + static_cast<double>(group.size() - 1) / 256, at::kDouble);
  check_equal(tensor, exact.to(at::kBFloat16), "bfloat16 sum");
}

void all_gather_keeps_rank_order(Group& group) {
  int64_t n = group.size();
  for (at::ScalarType type : kNumbers) {
    at::Tensor output = at::zeros({n, 3, 5}, at::TensorOptions(type));
    group.all_gather(output, ramp(15, group.rank().value(), type).view({3, 5}));
    for (int64_t r = 0; r < n; ++r)
      check_equal(output[r], ramp(15, r, type).view({3, 5}), fmt::format("piece {}", r));
  }
  at::Tensor flags = at::zeros({n, 1}, at::kBool);
  group.all_gather(flags, at::ones({1}, at::kBool));
  EXPECT_TRUE(flags.all().item<bool>());
}

void reduce_scatter_sums_pieces(Group& group) {
  int64_t n = group.size();
  for (at::ScalarType type : kNumbers) {
    // Rank r's piece for rank p is ramp + r + 2 p.
    std::vector<at::Tensor> pieces;
    for (int64_t p = 0; p < n; ++p) pieces.push_back(ramp(6, group.rank().value() + 2 * p, type));
    at::Tensor output = at::zeros({2, 3}, at::TensorOptions(type));
    group.reduce_scatter(output, at::stack(pieces));
    auto wanted =
        (at::arange(6, at::kLong).remainder(7) + 2 * group.rank().value()) * n + sum_of_ranks(group);
    check_equal(output, wanted.to(type).view({2, 3}), c10::toString(type));
  }
}

void all_to_all_transposes(Group& group) {
  int64_t n = group.size(), me = group.rank().value();
  at::Tensor input = at::empty({n, 4}), output = at::empty({n, 4});
  for (int64_t p = 0; p < n; ++p) input[p].fill_(static_cast<double>(10 * me + p));
  group.all_to_all(output, input);
  for (int64_t p = 0; p < n; ++p) {
    check_equal(output[p], at::full({4}, static_cast<double>(10 * p + me), at::kFloat), "piece");
  }
}

void broadcast_copies_from_each_root(Group& group) {
  for (int64_t root = 0; root < group.size(); ++root) {
    at::Tensor tensor = ramp(33, 100 * group.rank().value(), at::kInt);
    group.broadcast(tensor, Rank(root));
    check_equal(tensor, ramp(33, 100 * root, at::kInt), fmt::format("root {}", root));
  }
}

// A ring: everybody sends to the next and receives from the one before, several messages in order.
void sends_arrive_in_order(Group& group) {
  int64_t n = group.size(), me = group.rank().value();
  if (n == 1) return;
  Rank next((me + 1) % n), before((me + n - 1) % n);
  std::vector<at::Tensor> received;
  std::vector<std::unique_ptr<Work>> works;
  for (int64_t message = 0; message < 5; ++message) {
    received.push_back(at::zeros({2, 50}, at::kBFloat16));
    works.push_back(group.send_async(ramp(100, me + message, at::kBFloat16).view({2, 50}), next));
    works.push_back(group.recv_async(received.back(), before));
  }
  for (auto work = works.rbegin(); work != works.rend(); ++work) (*work)->wait();
  for (int64_t message = 0; message < 5; ++message) {
    check_equal(received[static_cast<size_t>(message)],
                ramp(100, before.value() + message, at::kBFloat16).view({2, 50}),
                fmt::format("message {}", message));
  }
}

void many_asyncs_stay_in_order(Group& group) {
  int64_t n = group.size();
  std::vector<at::Tensor> tensors, gathered;
  std::vector<std::unique_ptr<Work>> works;
  for (int64_t i = 0; i < 40; ++i) {
    tensors.push_back(at::full({1 + i * 13}, static_cast<double>(i), at::kFloat));
    gathered.push_back(at::zeros({n, 1}, at::kLong));
    works.push_back(group.all_reduce_async(tensors.back(), Reduce::kSum));
    works.push_back(
        group.all_gather_async(gathered.back(), at::full({1}, i + group.rank().value(), at::kLong)));
  }
  // Rank 0 waits from the front, the others from the back.
  if (group.rank() != Rank(0)) std::reverse(works.begin(), works.end());
  for (auto& work : works) {
    work->wait();
    EXPECT_TRUE(work->progress());
    work->wait();
  }
  for (int64_t i = 0; i < 40; ++i) {
    check_equal(tensors[static_cast<size_t>(i)],
                at::full({1 + i * 13}, static_cast<double>(i * n), at::kFloat), "sum");
    for (int64_t r = 0; r < n; ++r) EXPECT_EQ(gathered[static_cast<size_t>(i)][r].item<int64_t>(), i + r);
  }
}

void progress_alone_completes(Group& group) {
  at::Tensor tensor = at::ones({100000});
  auto work = group.all_reduce_async(tensor, Reduce::kSum);
  while (!work->progress()) sched_yield();
  EXPECT_EQ(tensor[99999].item<double>(), static_cast<double>(group.size()));
}

void empty_tensors_pass(Group& group) {
  int64_t n = group.size();
  at::Tensor none = at::empty({0}), nothing = at::empty({n, 0, 3});
  group.all_reduce(none);
  group.broadcast(none, Rank(0));
  group.all_gather(nothing, at::empty({0, 3}));
  group.reduce_scatter(at::empty({0, 3}), nothing);
  group.all_to_all(nothing, at::empty({n, 0, 3}));
  at::Tensor after = at::ones({1});
  group.all_reduce(after);
  EXPECT_EQ(after.item<double>(), static_cast<double>(n));
}

// Refused before anything is sent: a rank that gets it wrong alone does not leave the others waiting.
void wrong_tensors_are_refused(Group& group) {
  int64_t n = group.size();
  at::Tensor columns = at::zeros({4, 6}).t();
  EXPECT_THROW(group.all_reduce(columns), std::invalid_argument);
  EXPECT_THROW(group.all_reduce(at::Tensor()), std::invalid_argument);
  EXPECT_THROW(group.all_reduce(at::zeros({2}, at::kBool)), std::invalid_argument);
  EXPECT_THROW(group.broadcast(columns, Rank(0)), std::invalid_argument);
  EXPECT_THROW(group.broadcast(at::zeros({2}), Rank(n)), std::invalid_argument);
  EXPECT_THROW(group.broadcast(at::zeros({2}), Rank(-1)), std::invalid_argument);
  EXPECT_THROW(group.all_gather(at::zeros({n + 1, 2}), at::zeros({2})), std::invalid_argument);
  EXPECT_THROW(group.all_gather(at::zeros({n, 2}), at::zeros({2}, at::kDouble)), std::invalid_argument);
  EXPECT_THROW(group.reduce_scatter(at::zeros({3}), at::zeros({n, 2})), std::invalid_argument);
  EXPECT_THROW(group.all_to_all(at::zeros({n, 2}), at::zeros({n, 3})), std::invalid_argument);
  EXPECT_THROW(group.send(at::zeros({1}), group.rank()), std::invalid_argument);
  EXPECT_THROW(group.recv(at::zeros({1}), Rank(n)), std::invalid_argument);
  try {
    group.all_reduce(columns);
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("[6, 4]"), std::string::npos) << error.what();
  }
  group.barrier();
}

void split_by_parity_and_reversed(Group& group) {
  int64_t n = group.size(), me = group.rank().value();
  auto half = group.split([](Rank r) { return Seat{r.value() % 2, -r.value()}; }, "half");
  int64_t members = (n + 1 - me % 2) / 2;
  EXPECT_EQ(half->size(), members);
  EXPECT_EQ(half->name(), "half");
  EXPECT_EQ(half->rank().value(), members - 1 - me / 2) << "the key orders the ranks";
  EXPECT_EQ(half->world_rank(half->rank()), group.world_rank(group.rank()));
  at::Tensor sum = at::full({1}, me, at::kLong);
  half->all_reduce(sum);
  int64_t wanted = 0;
  for (int64_t r = me % 2; r < n; r += 2) wanted += r;
  EXPECT_EQ(sum.item<int64_t>(), wanted);

  auto again = half->split(everybody(), "again");
  EXPECT_EQ(again->size(), members);
  auto alone = group.split([](Rank r) { return Seat{1000000000000 + r.value(), 0}; }, "alone");
  EXPECT_EQ(alone->size(), 1);
  EXPECT_EQ(alone->world_rank(Rank(0)), group.world_rank(group.rank()));
}

void bytes_and_numbers(Group& group) {
  int64_t n = group.size(), me = group.rank().value();
  auto all = gather_bytes(group, std::string(static_cast<size_t>(me * 3), static_cast<char>('a' + me)));
  ASSERT_EQ(all.size(), static_cast<size_t>(n));
  for (int64_t r = 0; r < n; ++r) {
    EXPECT_EQ(all[static_cast<size_t>(r)],
              std::string(static_cast<size_t>(r * 3), static_cast<char>('a' + r)));
  }
  EXPECT_EQ(gather_bytes(group, ""), std::vector<std::string>(static_cast<size_t>(n)));
  double large = 9007199254740000.0;  // exact in fp64 only
  std::vector<double> sum = reduce_numbers(group, {me == 0 ? large : 1.0, static_cast<double>(me)});
  EXPECT_EQ(sum[0], large + static_cast<double>(n - 1));
  EXPECT_EQ(sum[1], static_cast<double>(sum_of_ranks(group)));
  EXPECT_EQ(reduce_numbers(group, {static_cast<double>(me)}, Reduce::kMax)[0], static_cast<double>(n - 1));
  EXPECT_TRUE(reduce_numbers(group, {}).empty());
}

// The last rank comes late to a barrier, and the others have waited for it.
void waiting_is_counted(Group& group) {
  group.barrier();
  double before = waited_seconds();
  if (group.rank().value() == group.size() - 1) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  group.barrier();
  // On a busy machine the others may be late themselves, so a tenth of it is asked for.
  if (group.rank().value() < group.size() - 1) {
    EXPECT_GE(waited_seconds() - before, 0.02);
  }
}

void large_tensors(Group& group) {
  at::Tensor tensor = ramp(3 << 20, group.rank().value(), at::kFloat);
  group.all_reduce(tensor);
  auto wanted = at::arange(3 << 20, at::kLong).remainder(7) * group.size() + sum_of_ranks(group);
  check_equal(tensor, wanted.to(at::kFloat), "3 Mi elements");
}

}  // namespace

std::vector<VerbCheck> verb_checks() {
  return {{"AllReduceSums", all_reduce_sums},
          {"AllReduceFindsExtremes", all_reduce_finds_extremes},
          {"HalfTypesAreSummedWider", half_types_are_summed_wider},
          {"AllGatherKeepsRankOrder", all_gather_keeps_rank_order},
          {"ReduceScatterSumsPieces", reduce_scatter_sums_pieces},
          {"AllToAllTransposes", all_to_all_transposes},
          {"BroadcastCopiesFromEachRoot", broadcast_copies_from_each_root},
          {"SendsArriveInOrder", sends_arrive_in_order},
          {"ManyAsyncsStayInOrder", many_asyncs_stay_in_order},
          {"ProgressAloneCompletes", progress_alone_completes},
          {"EmptyTensorsPass", empty_tensors_pass},
          {"WrongTensorsAreRefused", wrong_tensors_are_refused},
          {"SplitByParityAndReversed", split_by_parity_and_reversed},
          {"BytesAndNumbers", bytes_and_numbers},
          {"WaitingIsCounted", waiting_is_counted},
          {"LargeTensors", large_tensors}};
}

}  // namespace sextant::parallel
