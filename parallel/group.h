#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "parallel/base/number.h"

// The verbs that a set of ranks has in common, whatever carries them: threads of one process
// (parallel/group_threads.h), MPI (parallel/group_mpi.h) or NCCL (parallel/group_nccl.h).
namespace sextant::parallel {

enum class Reduce { kSum, kMax, kMin };

// A collective under way. The tensors given to it must stay alive and untouched until wait() returns.
class Work {
 public:
  virtual ~Work() = default;
  // Blocks until the result is in place (on a GPU: until later work of the current stream may use it). A
  // second call does nothing.
  virtual void wait() = 0;
  // Moves the transfer on without blocking: MPI and queued sends advance only while somebody calls. True when
  // wait() would return at once.
  virtual bool progress() = 0;
};

// Where a member goes when a group is split: to the group of this color, in the order of keys.
struct Seat {
  int64_t color = 0;
  int64_t key = 0;
};
// Every member's seat: a pure function, the same on every rank.
using Seating = std::function<Seat(Rank member)>;

// A set of ranks and its verbs. Every rank of the group must call the same verbs in the same order (send and
// recv: the two ends). Tensors are contiguous, of equal shape and type on all ranks, on the CPU or on the
// device the backend serves. A verb that can not end throws Error(kEnvironment) or ends the process through
// the watchdog; it never hangs for ever. A tensor that breaks these rules is our own bug:
// std::invalid_argument, before anything is sent. Half and bfloat16 are summed in fp32 and rounded once.
//
// Shapes: n = size().
class Group {
 public:
  virtual ~Group() = default;

  virtual Rank rank() const = 0;
  virtual int64_t size() const = 0;
  // For messages: "world", "data" ...
  virtual const std::string& name() const = 0;
  // The rank that a member of this group has among all ranks of the run.
  virtual Rank world_rank(Rank member) const = 0;

  // In place: every rank's tensor becomes the sum (max, min) over ranks. [any]
  virtual std::unique_ptr<Work> all_reduce_async(at::Tensor tensor, Reduce how) = 0;
  // output[r] = rank r's input. input [any], output [n, any]
  virtual std::unique_ptr<Work> all_gather_async(at::Tensor output, at::Tensor input) = 0;
  // output = sum over ranks of their input[rank()]. input [n, any], output [any]
  virtual std::unique_ptr<Work> reduce_scatter_async(at::Tensor output, at::Tensor input) = 0;
  // output[r] = rank r's input[rank()]. input, output [n, any]
  virtual std::unique_ptr<Work> all_to_all_async(at::Tensor output, at::Tensor input) = 0;
  virtual std::unique_ptr<Work> broadcast_async(at::Tensor tensor, Rank from) = 0;
  virtual std::unique_ptr<Work> send_async(at::Tensor tensor, Rank to) = 0;
  virtual std::unique_ptr<Work> recv_async(at::Tensor tensor, Rank from) = 0;
  virtual void barrier() = 0;

  // Splits into groups of equal color, ordered by key, then by rank. All ranks of this group must call.
  virtual std::unique_ptr<Group> split(const Seating& seating, const std::string& name) = 0;

  void all_reduce(at::Tensor tensor, Reduce how = Reduce::kSum) {
    all_reduce_async(std::move(tensor), how)->wait();
  }
  void all_gather(at::Tensor output, at::Tensor input) {
    all_gather_async(std::move(output), std::move(input))->wait();
  }
  void reduce_scatter(at::Tensor output, at::Tensor input) {
    reduce_scatter_async(std::move(output), std::move(input))->wait();
  }
  void all_to_all(at::Tensor output, at::Tensor input) {
    all_to_all_async(std::move(output), std::move(input))->wait();
  }
  void broadcast(at::Tensor tensor, Rank from) { broadcast_async(std::move(tensor), from)->wait(); }
  void send(at::Tensor tensor, Rank to) { send_async(std::move(tensor), to)->wait(); }
  void recv(at::Tensor tensor, Rank from) { recv_async(std::move(tensor), from)->wait(); }
};

// Every rank's bytes, by rank, on every rank. All ranks must call; lengths may differ.
std::vector<std::string> gather_bytes(Group& group, const std::string& bytes);

// `values` reduced element by element over the ranks, in fp64. All ranks must call with equal lengths.
std::vector<double> reduce_numbers(Group& group, std::vector<double> values, Reduce how = Reduce::kSum);

// All members together, in the order that they have.
Seating everybody();
// The members, of `size`, that the seating puts into the group of `member`, in that group's order.
std::vector<Rank> seated_with(const Seating& seating, Rank member, int64_t size);

// A group of this process alone.
std::unique_ptr<Group> single_rank_group(const std::string& name = "alone");

}  // namespace sextant::parallel
