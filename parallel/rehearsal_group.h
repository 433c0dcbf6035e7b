#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>

#include "parallel/group.h"

// A rank of a world whose other ranks are not there: what a run will need can be tried on one machine before
// the others are had.
namespace sextant::parallel {

enum class Verb { kAllReduce, kAllGather, kReduceScatter, kAllToAll, kBroadcast, kSend };
inline constexpr std::array<Verb, 6> kAllVerbs = {Verb::kAllReduce, Verb::kAllGather, Verb::kReduceScatter,
                                                  Verb::kAllToAll,  Verb::kBroadcast, Verb::kSend};

// "all_reduce" ...
const char* verb_name(Verb verb);

// What a rank has asked of its groups. A send and its receive count once, as the send.
class Traffic {
 public:
  struct Call {
    Verb verb = Verb::kAllReduce;
    at::ScalarType type = at::kFloat;
    int64_t members = 1;  // of the group
    int64_t span = 1;     // ranks of the world from the first member to the last, both included
    int64_t bytes = 0;    // of the whole tensor, which is the longer one of input and output
    auto operator<=>(const Call&) const = default;
  };

  void add(const Call& call) { ++calls_[call]; }
  // How many of each.
  const std::map<Call, int64_t>& calls() const { return calls_; }
  void clear() { calls_.clear(); }

  // Memory for what others send: bytes under way now, and the most so far.
  void expect_bytes(int64_t bytes);
  int64_t most_bytes_under_way() const { return most_; }

 private:
  std::map<Call, int64_t> calls_;
  int64_t under_way_ = 0, most_ = 0;
};

// Rank `rank` of a world of `size`. Verbs return at once. What arrives is finite and otherwise meaningless:
//   all_reduce                   the other ranks hold zeros (kMax, kMin: what this one holds)
//   gather, scatter, all_to_all  the other ranks hold what this one holds
//   recv, broadcast from others  noise; zeros for integers
// Sums on a CPU take the memory that MPI's take while they are under way (group_mpi): it is touched, not
// used. They are under way for some calls of progress(), since MPI gets on with a large sum only while
// somebody calls.
// Groups that are split off have the members that they would have. `traffic` must outlive all of them.
std::unique_ptr<Group> rehearsal_group(int64_t size, Rank rank, Traffic& traffic);

}  // namespace sextant::parallel
