#include "parallel/group_mpi.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <thread>

#include "parallel/group_checks.h"
#include "parallel/mpi_environment.h"
#include "parallel/mpi_sum.h"
#include "parallel/waited_seconds.h"

// Sizes: n ranks, m elements in one rank's piece.
namespace sextant::parallel {
namespace {

MPI_Datatype mpi_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kByte:
      return MPI_UINT8_T;
    case at::kChar:
      return MPI_INT8_T;
    case at::kShort:
      return MPI_INT16_T;
    case at::kInt:
      return MPI_INT32_T;
    case at::kLong:
      return MPI_INT64_T;
    default:
      throw std::invalid_argument(fmt::format("MPI can not reduce {}; convert it to fp32 first",
                                              c10::toString(tensor.scalar_type())));
  }
}

MPI_Op mpi_op(Reduce how) {
  switch (how) {
    case Reduce::kSum:
      return MPI_SUM;
    case Reduce::kMax:
      return MPI_MAX;
    case Reduce::kMin:
      return MPI_MIN;
  }
  throw std::invalid_argument("unknown reduction");
}

// What MPI reads instead of `tensor`: itself, or a copy in host memory, in fp32 where a half type is to be
// summed.
at::Tensor readable(const at::Tensor& tensor, bool to_reduce) {
  at::NoGradGuard no_grad;
  bool is_half = tensor.scalar_type() == at::kHalf || tensor.scalar_type() == at::kBFloat16;
  return tensor.detach().to(at::kCPU, to_reduce && is_half ? at::kFloat : tensor.scalar_type());
}

// What MPI writes instead of `output`; its content comes over when the requests are done.
at::Tensor writable(Requests& requests, const at::Tensor& output, at::ScalarType type) {
  if (output.is_cpu() && output.scalar_type() == type) return output.detach();
  at::Tensor staged = at::empty(output.sizes(), at::TensorOptions(at::kCPU).dtype(type));
  requests.copy_when_done(output, staged);
  return staged;
}

char* bytes_of(const at::Tensor& tensor) {
  return static_cast<char*>(tensor.data_ptr());
}

// Calls part(offset, length) for consecutive parts of `count`, none longer than `largest`.
template <class Part>
void in_parts(int64_t count, int64_t largest, Part part) {
  for (int64_t offset = 0; offset < count; offset += largest) part(offset, std::min(largest, count - offset));
}

class MpiWork : public Work {
 public:
  MpiWork(std::shared_ptr<MpiEnvironment> environment, Requests requests, const Members& members, Call call)
      : environment_(std::move(environment)), requests_(std::move(requests)), members_(members), call_(call) {
    std::lock_guard lock(environment_->moving);
    if (requests_.has_next()) environment_->with_second_half.push_back(&requests_);
  }
  ~MpiWork() override {
    std::lock_guard lock(environment_->moving);
    std::erase(environment_->with_second_half, &requests_);
  }

  bool progress() override {
    std::lock_guard lock(environment_->moving);
    return requests_.advance(call_.verb);
  }

  // Ranks may be more than cores: a waiting one gives its core away, at first for a moment, then for longer.
  void wait() override {
    if (progress()) return;
    WaitingTimer timer;
    Vigil vigil(*environment_->watchdog, members_, call_);
    for (int64_t tries = 0; !progress(); ++tries) {
      environment_->move_on();
      if (tries < 1000) {
        sched_yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
      vigil.check();
    }
  }

 private:
  std::shared_ptr<MpiEnvironment> environment_;
  Requests requests_;
  Members members_;
  Call call_;
};

class MpiGroup : public Group {
 public:
  MpiGroup(std::shared_ptr<MpiEnvironment> environment, Communicator communicator, Members members,
           int64_t largest)
      : environment_(std::move(environment)),
        communicator_(std::move(communicator)),
        members_(std::move(members)),
        largest_(largest),
        sent_(members_.world.size()),
        received_(members_.world.size()) {}

  Rank rank() const override { return members_.rank; }
  int64_t size() const override { return static_cast<int64_t>(members_.world.size()); }
  const std::string& name() const override { return members_.name; }
  Rank world_rank(Rank member) const override { return members_.world[static_cast<size_t>(member.value())]; }

  std::unique_ptr<Work> all_reduce_async(at::Tensor tensor, Reduce how) override;
  std::unique_ptr<Work> all_gather_async(at::Tensor output, at::Tensor input) override;
  std::unique_ptr<Work> reduce_scatter_async(at::Tensor output, at::Tensor input) override;
  std::unique_ptr<Work> all_to_all_async(at::Tensor output, at::Tensor input) override;
  std::unique_ptr<Work> broadcast_async(at::Tensor tensor, Rank from) override;
  std::unique_ptr<Work> send_async(at::Tensor tensor, Rank to) override;
  std::unique_ptr<Work> recv_async(at::Tensor tensor, Rank from) override;
  void barrier() override;
  std::unique_ptr<Group> split(const Seating& seating, const std::string& name) override;

 private:
  Requests requests() const { return Requests(environment_); }
  MPI_Comm comm() const { return communicator_.get(); }
  // Columns of a [n, m] tensor that one call may carry.
  int64_t largest_columns(int64_t bytes_each) const {
    return std::max<int64_t>(1, largest_ / (size() * std::max<int64_t>(1, bytes_each)));
  }
  std::unique_ptr<Work> collective(const char* verb, Requests started) {
    return std::make_unique<MpiWork>(environment_, std::move(started), members_,
                                     Call{verb, ++sequence_, std::nullopt});
  }
  std::unique_ptr<Work> transfer(const char* verb, Rank peer, std::vector<uint64_t>& counts,
                                 Requests started) {
    uint64_t sequence = ++counts[static_cast<size_t>(peer.value())];
    return std::make_unique<MpiWork>(environment_, std::move(started), members_, Call{verb, sequence, peer});
  }

  std::shared_ptr<MpiEnvironment> environment_;
  Communicator communicator_;
  Members members_;
  int64_t largest_;  // elements (bytes) in one MPI call
  uint64_t sequence_ = 0;
  std::vector<uint64_t> sent_, received_;  // by peer
};

std::unique_ptr<Work> MpiGroup::all_reduce_async(at::Tensor tensor, Reduce how) {
  check_reducible(*this, "all_reduce", tensor);
  Requests started = requests();
  at::Tensor staged = readable(tensor, /*to_reduce=*/true);
  started.keep(staged);
  bool is_staged = staged.data_ptr() != tensor.data_ptr();
  bool by_parts = how == Reduce::kSum && size() > 1 && staged.numel() >= std::min(kManyNumbers, largest_);
  int64_t most = by_parts ? std::max<int64_t>(1, largest_ / staged.element_size()) : largest_;
  in_parts(staged.numel(), most, [&](int64_t offset, int64_t length) {
    at::Tensor numbers = staged.view(-1).narrow(0, offset, length);
    if (by_parts) return sum_by_parts(started, {comm(), rank(), size(), sequence_}, numbers);
    started.add("all_reduce", [&](MPI_Request* request) {
      return MPI_Iallreduce(MPI_IN_PLACE, bytes_of(numbers), static_cast<int>(length), mpi_type(numbers),
                            mpi_op(how), comm(), request);
    });
  });
  auto hand_back = [=](Requests& last) { last.copy_when_done(tensor, staged); };
  if (is_staged && by_parts) started.then(hand_back);
  if (is_staged && !by_parts) hand_back(started);
  return collective("all_reduce", std::move(started));
}

std::unique_ptr<Work> MpiGroup::all_gather_async(at::Tensor output, at::Tensor input) {
  check_pieces(*this, "all_gather", output, input);
  at::NoGradGuard no_grad;
  Requests started = requests();
  at::Tensor from = readable(input, /*to_reduce=*/false).view(-1);                               // [m]
  at::Tensor to = writable(started, output, output.scalar_type()).view({size(), from.numel()});  // [n, m]
  auto gather = [&](const at::Tensor& pieces, const at::Tensor& piece) {
    started.keep(pieces);
    started.keep(piece);
    int count = static_cast<int>(piece.nbytes());
    // A piece that stands in its place already must not be named twice.
    bool in_place = bytes_of(piece) == bytes_of(pieces) + rank().value() * count;
    started.add("all_gather", [&](MPI_Request* request) {
      return MPI_Iallgather(in_place ? MPI_IN_PLACE : bytes_of(piece), count, MPI_BYTE, bytes_of(pieces),
                            count, MPI_BYTE, comm(), request);
    });
  };
  int64_t columns = largest_columns(from.element_size());
  in_parts(from.numel(), columns, [&](int64_t offset, int64_t length) {
    if (length == from.numel()) return gather(to, from);
    at::Tensor part = at::empty({size(), length}, to.options());
    started.copy_when_done(to.narrow(1, offset, length), part);
    gather(part, from.narrow(0, offset, length));
  });
  return collective("all_gather", std::move(started));
}

// Each rank gets the pieces that it is to sum and adds them up itself: Open MPI 4.1 would send the whole
// input to one rank and back.
std::unique_ptr<Work> MpiGroup::reduce_scatter_async(at::Tensor output, at::Tensor input) {
  check_reducible(*this, "reduce_scatter", input);
  check_pieces(*this, "reduce_scatter", input, output);
  at::NoGradGuard no_grad;
  Requests started = requests();
  at::Tensor from = readable(input, /*to_reduce=*/true).view({size(), output.numel()});  // [n, m]
  at::Tensor to = writable(started, output, from.scalar_type()).view(-1);                // [m]
  in_parts(to.numel(), largest_columns(from.element_size()), [&](int64_t offset, int64_t length) {
    at::Tensor sent = from.narrow(1, offset, length).contiguous();  // itself when it is all of them
    at::Tensor received = at::empty({size(), length}, from.options());
    started.sum_when_done(to.narrow(0, offset, length), received);
    started.keep(sent);
    started.keep(received);
    int count = static_cast<int>(length * from.element_size());
    started.add("reduce_scatter", [&](MPI_Request* request) {
      return MPI_Ialltoall(bytes_of(sent), count, MPI_BYTE, bytes_of(received), count, MPI_BYTE, comm(),
                           request);
    });
  });
  return collective("reduce_scatter", std::move(started));
}

std::unique_ptr<Work> MpiGroup::all_to_all_async(at::Tensor output, at::Tensor input) {
  check_exchange(*this, output, input);
  at::NoGradGuard no_grad;
  Requests started = requests();
  int64_t m = input.numel() / size();
  at::Tensor from = readable(input, /*to_reduce=*/false).view({size(), m});           // [n, m]
  at::Tensor to = writable(started, output, output.scalar_type()).view({size(), m});  // [n, m]
  in_parts(m, largest_columns(from.element_size()), [&](int64_t offset, int64_t length) {
    bool all = length == m;
    at::Tensor sent = from.narrow(1, offset, length).contiguous();
    at::Tensor received = all ? to : at::empty({size(), length}, to.options());
    if (!all) started.copy_when_done(to.narrow(1, offset, length), received);
    started.keep(sent);
    started.keep(received);
    int count = static_cast<int>(length * from.element_size());
    started.add("all_to_all", [&](MPI_Request* request) {
      return MPI_Ialltoall(bytes_of(sent), count, MPI_BYTE, bytes_of(received), count, MPI_BYTE, comm(),
                           request);
    });
  });
  return collective("all_to_all", std::move(started));
}

std::unique_ptr<Work> MpiGroup::broadcast_async(at::Tensor tensor, Rank from) {
  check_whole(*this, "broadcast", tensor);
  check_member(*this, "broadcast", from);
  Requests started = requests();
  at::Tensor staged = readable(tensor, /*to_reduce=*/false);
  started.keep(staged);
  if (!tensor.is_cpu() && from != rank()) started.copy_when_done(tensor, staged);
  in_parts(static_cast<int64_t>(staged.nbytes()), largest_, [&](int64_t offset, int64_t length) {
    started.add("broadcast", [&](MPI_Request* request) {
      return MPI_Ibcast(bytes_of(staged) + offset, static_cast<int>(length), MPI_BYTE,
                        static_cast<int>(from.value()), comm(), request);
    });
  });
  return collective("broadcast", std::move(started));
}

std::unique_ptr<Work> MpiGroup::send_async(at::Tensor tensor, Rank to) {
  check_whole(*this, "send", tensor);
  check_peer(*this, "send", to);
  Requests started = requests();
  at::Tensor staged = readable(tensor, /*to_reduce=*/false);
  started.keep(staged);
  in_parts(static_cast<int64_t>(staged.nbytes()), largest_, [&](int64_t offset, int64_t length) {
    started.add("send", [&](MPI_Request* request) {
      return MPI_Isend(bytes_of(staged) + offset, static_cast<int>(length), MPI_BYTE,
                       static_cast<int>(to.value()), 0, comm(), request);
    });
  });
  return transfer("send", to, sent_, std::move(started));
}

std::unique_ptr<Work> MpiGroup::recv_async(at::Tensor tensor, Rank from) {
  check_whole(*this, "recv", tensor);
  check_peer(*this, "recv", from);
  Requests started = requests();
  at::Tensor staged = writable(started, tensor, tensor.scalar_type());
  started.keep(staged);
  in_parts(static_cast<int64_t>(staged.nbytes()), largest_, [&](int64_t offset, int64_t length) {
    started.add("recv", [&](MPI_Request* request) {
      return MPI_Irecv(bytes_of(staged) + offset, static_cast<int>(length), MPI_BYTE,
                       static_cast<int>(from.value()), 0, comm(), request);
    });
  });
  return transfer("recv", from, received_, std::move(started));
}

void MpiGroup::barrier() {
  Requests started = requests();
  started.add("barrier", [&](MPI_Request* request) { return MPI_Ibarrier(comm(), request); });
  collective("barrier", std::move(started))->wait();
}

std::unique_ptr<Group> MpiGroup::split(const Seating& seating, const std::string& name) {
  // The barrier is under the watchdog's eye, MPI's own blocking split is not: everybody has come by then.
  barrier();
  std::vector<Rank> same = seated_with(seating, rank(), size());
  auto first_of_color = static_cast<int>(std::min_element(same.begin(), same.end())->value());
  Members members{name, Rank(0), {}};
  for (Rank member : same) {
    if (member == rank()) members.rank = Rank(static_cast<int64_t>(members.world.size()));
    members.world.push_back(world_rank(member));
  }
  MPI_Comm part = MPI_COMM_NULL;
  {
    std::lock_guard lock(environment_->calls);
    check_mpi(MPI_Comm_split(comm(), first_of_color, static_cast<int>(members.rank.value()), &part), "split");
  }
  return std::make_unique<MpiGroup>(environment_, Communicator(environment_, part), std::move(members),
                                    largest_);
}

}  // namespace

std::unique_ptr<Group> MpiSession::world(int64_t largest_count) {
  MPI_Comm copy = MPI_COMM_NULL;
  {
    std::lock_guard lock(environment_->calls);
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
  }
  Members members{"world", rank(), {}};
  for (int64_t r = 0; r < size(); ++r) members.world.push_back(Rank(r));
  return std::make_unique<MpiGroup>(environment_, Communicator(environment_, copy), std::move(members),
                                    largest_count);
}

}  // namespace sextant::parallel
