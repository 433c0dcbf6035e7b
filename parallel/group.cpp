#include "parallel/group.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "parallel/group_checks.h"

namespace sextant::parallel {
namespace {

class DoneWork : public Work {
 public:
  void wait() override {}
  bool progress() override { return true; }
};

class SingleRankGroup : public Group {
 public:
  explicit SingleRankGroup(std::string name) : name_(std::move(name)) {}

  Rank rank() const override { return Rank(0); }
  int64_t size() const override { return 1; }
  const std::string& name() const override { return name_; }
  Rank world_rank(Rank member) const override { return member; }

  std::unique_ptr<Work> all_reduce_async(at::Tensor tensor, Reduce) override {
    check_reducible(*this, "all_reduce", tensor);
    return std::make_unique<DoneWork>();
  }
  std::unique_ptr<Work> all_gather_async(at::Tensor output, at::Tensor input) override {
    check_pieces(*this, "all_gather", output, input);
    return copied(output, input);
  }
  std::unique_ptr<Work> reduce_scatter_async(at::Tensor output, at::Tensor input) override {
    check_reducible(*this, "reduce_scatter", input);
    check_pieces(*this, "reduce_scatter", input, output);
    return copied(output, input);
  }
  std::unique_ptr<Work> all_to_all_async(at::Tensor output, at::Tensor input) override {
    check_exchange(*this, output, input);
    return copied(output, input);
  }
  std::unique_ptr<Work> broadcast_async(at::Tensor tensor, Rank from) override {
    check_whole(*this, "broadcast", tensor);
    check_member(*this, "broadcast", from);
    return std::make_unique<DoneWork>();
  }
  std::unique_ptr<Work> send_async(at::Tensor, Rank to) override {
    check_peer(*this, "send", to);  // always throws: there is no other rank
    return nullptr;
  }
  std::unique_ptr<Work> recv_async(at::Tensor, Rank from) override {
    check_peer(*this, "recv", from);
    return nullptr;
  }
  void barrier() override {}
  std::unique_ptr<Group> split(const Seating&, const std::string& name) override {
    return single_rank_group(name);
  }

 private:
  static std::unique_ptr<Work> copied(const at::Tensor& output, const at::Tensor& input) {
    at::NoGradGuard no_grad;
    output.view(-1).copy_(input.view(-1));
    return std::make_unique<DoneWork>();
  }

  std::string name_;
};

}  // namespace

std::vector<std::string> gather_bytes(Group& group, const std::string& bytes) {
  int64_t n = group.size();
  at::Tensor length = at::full({1}, static_cast<int64_t>(bytes.size()), at::kLong);
  at::Tensor lengths = at::empty({n, 1}, at::kLong);  // [n, 1]
  group.all_gather(lengths, length);
  int64_t longest = lengths.max().item<int64_t>();

  at::Tensor mine = at::zeros({longest}, at::kByte);    // [longest]
  at::Tensor all = at::empty({n, longest}, at::kByte);  // [n, longest]
  if (!bytes.empty()) std::memcpy(mine.data_ptr<uint8_t>(), bytes.data(), bytes.size());
  group.all_gather(all, mine);

  std::vector<std::string> by_rank;
  for (int64_t r = 0; r < n; ++r) {
    const char* begin =
        longest == 0 ? "" : reinterpret_cast<const char*>(all.data_ptr<uint8_t>() + r * longest);
    by_rank.emplace_back(begin, static_cast<size_t>(lengths[r].item<int64_t>()));
  }
  return by_rank;
}

std::vector<double> reduce_numbers(Group& group, std::vector<double> values, Reduce how) {
  if (values.empty()) return values;
  auto count = static_cast<int64_t>(values.size());
  // The tensor borrows the vector's memory, so the result lands in it.
  at::Tensor tensor = at::from_blob(values.data(), {count}, at::kDouble);
  group.all_reduce(tensor, how);
  return values;
}

Seating everybody() {
  return [](Rank member) { return Seat{0, member.value()}; };
}

std::vector<Rank> seated_with(const Seating& seating, Rank member, int64_t size) {
  int64_t color = seating(member).color;
  std::vector<std::pair<int64_t, Rank>> found;  // by key
  for (int64_t r = 0; r < size; ++r) {
    Seat seat = seating(Rank(r));
    if (seat.color == color) found.emplace_back(seat.key, Rank(r));
  }
  std::sort(found.begin(), found.end());
  std::vector<Rank> members;
  members.reserve(found.size());
  for (const auto& [key, rank] : found) members.push_back(rank);
  return members;
}

std::unique_ptr<Group> single_rank_group(const std::string& name) {
  return std::make_unique<SingleRankGroup>(name);
}

}  // namespace sextant::parallel
