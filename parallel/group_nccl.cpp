#include "parallel/group_nccl.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <stdexcept>

#include "parallel/base/error.h"
#include "parallel/group_checks.h"
#include "parallel/nccl_channel.h"

namespace sextant::parallel {
namespace {

ncclDataType_t nccl_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kByte:
      return ncclUint8;
    case at::kChar:
      return ncclInt8;
    case at::kInt:
      return ncclInt32;
    case at::kLong:
      return ncclInt64;
    default:
      throw std::invalid_argument(fmt::format("NCCL can not reduce {}; convert it to fp32 first",
                                              c10::toString(tensor.scalar_type())));
  }
}

ncclRedOp_t nccl_op(Reduce how) {
  switch (how) {
    case Reduce::kSum:
      return ncclSum;
    case Reduce::kMax:
      return ncclMax;
    case Reduce::kMin:
      return ncclMin;
  }
  throw std::invalid_argument("unknown reduction");
}

// NCCL would round a half type's sum at every hop: it is summed in fp32 instead.
at::Tensor summable(const at::Tensor& tensor) {
  at::NoGradGuard no_grad;
  bool is_half = tensor.scalar_type() == at::kHalf || tensor.scalar_type() == at::kBFloat16;
  return is_half ? tensor.detach().to(at::kFloat) : tensor.detach();
}

class NcclWork : public Work {
 public:
  NcclWork(std::shared_ptr<NcclChannel> channel, std::shared_ptr<CudaEvent> done,
           std::vector<at::Tensor> used)
      : channel_(std::move(channel)), done_(std::move(done)), used_(std::move(used)) {}

  // Tensors that a forgotten verb still uses must not be given to anybody else.
  ~NcclWork() override {
    if (used_.empty()) return;
    try {
      wait();
    } catch (const std::exception&) {
      // The device has failed: the next verb says so.
    }
  }

  void wait() override {
    if (used_.empty()) return;
    channel_->flush();
    c10::cuda::CUDAGuard on_device(channel_->device());
    done_->hold_back(c10::cuda::getCurrentCUDAStream(channel_->device()).stream());
    used_.clear();  // freed memory is reused in the order of the current stream, which now comes after
  }
  bool progress() override {
    channel_->flush();
    return used_.empty() || done_->reached();
  }

 private:
  std::shared_ptr<NcclChannel> channel_;
  std::shared_ptr<CudaEvent> done_;
  std::vector<at::Tensor> used_;
};

class NcclGroup : public Group {
 public:
  // `control` carries CPU tensors; its rank 0 hands out the communicator's id.
  NcclGroup(std::unique_ptr<Group> control, std::shared_ptr<NcclMonitor> monitor)
      : control_(std::move(control)),
        channel_(std::make_shared<NcclChannel>(members_of(*control_), new_id(*control_), std::move(monitor))),
        sent_(static_cast<size_t>(size())),
        received_(static_cast<size_t>(size())) {}

  Rank rank() const override { return control_->rank(); }
  int64_t size() const override { return control_->size(); }
  const std::string& name() const override { return control_->name(); }
  Rank world_rank(Rank member) const override { return control_->world_rank(member); }

  std::unique_ptr<Work> all_reduce_async(at::Tensor tensor, Reduce how) override {
    if (!tensor.is_cuda()) return control_->all_reduce_async(tensor, how);
    check_reducible(*this, "all_reduce", tensor);
    at::Tensor sum = summable(tensor);
    auto type = nccl_type(sum);
    auto start = [&](ncclComm_t comm, cudaStream_t stream) {
      check_nccl(
          ncclAllReduce(sum.data_ptr(), sum.data_ptr(), elements(sum), type, nccl_op(how), comm, stream),
          "all_reduce");
    };
    return collective("all_reduce", {tensor, sum}, start, copy_back(tensor, sum));
  }

  std::unique_ptr<Work> all_gather_async(at::Tensor output, at::Tensor input) override {
    if (!input.is_cuda()) return control_->all_gather_async(output, input);
    check_pieces(*this, "all_gather", output, input);
    return collective("all_gather", {output, input}, [&](ncclComm_t comm, cudaStream_t stream) {
      check_nccl(ncclAllGather(input.data_ptr(), output.data_ptr(), input.nbytes(), ncclInt8, comm, stream),
                 "all_gather");
    });
  }

  std::unique_ptr<Work> reduce_scatter_async(at::Tensor output, at::Tensor input) override {
    if (!input.is_cuda()) return control_->reduce_scatter_async(output, input);
    check_reducible(*this, "reduce_scatter", input);
    check_pieces(*this, "reduce_scatter", input, output);
    at::Tensor from = summable(input);
    at::Tensor sum =
        from.scalar_type() == output.scalar_type() ? output : at::empty(output.sizes(), from.options());
    auto type = nccl_type(sum);
    auto start = [&](ncclComm_t comm, cudaStream_t stream) {
      check_nccl(
          ncclReduceScatter(from.data_ptr(), sum.data_ptr(), elements(sum), type, ncclSum, comm, stream),
          "reduce_scatter");
    };
    return collective("reduce_scatter", {output, input, from, sum}, start, copy_back(output, sum));
  }

  std::unique_ptr<Work> all_to_all_async(at::Tensor output, at::Tensor input) override {
    if (!input.is_cuda()) return control_->all_to_all_async(output, input);
    check_exchange(*this, output, input);
    size_t bytes = input.nbytes() / static_cast<size_t>(size());
    return collective("all_to_all", {output, input}, [&](ncclComm_t comm, cudaStream_t stream) {
      check_nccl(ncclGroupStart(), "all_to_all");
      for (int64_t r = 0; r < size(); ++r) {
        auto* from = static_cast<char*>(input.data_ptr()) + static_cast<size_t>(r) * bytes;
        auto* to = static_cast<char*>(output.data_ptr()) + static_cast<size_t>(r) * bytes;
        check_nccl(ncclSend(from, bytes, ncclInt8, static_cast<int>(r), comm, stream), "all_to_all");
        check_nccl(ncclRecv(to, bytes, ncclInt8, static_cast<int>(r), comm, stream), "all_to_all");
      }
      check_nccl(ncclGroupEnd(), "all_to_all");
    });
  }

  std::unique_ptr<Work> broadcast_async(at::Tensor tensor, Rank from) override {
    if (!tensor.is_cuda()) return control_->broadcast_async(tensor, from);
    check_whole(*this, "broadcast", tensor);
    check_member(*this, "broadcast", from);
    return collective("broadcast", {tensor}, [&](ncclComm_t comm, cudaStream_t stream) {
      check_nccl(ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), tensor.nbytes(), ncclInt8,
                               static_cast<int>(from.value()), comm, stream),
                 "broadcast");
    });
  }

  std::unique_ptr<Work> send_async(at::Tensor tensor, Rank to) override {
    if (!tensor.is_cuda()) return control_->send_async(tensor, to);
    check_whole(*this, "send", tensor);
    check_peer(*this, "send", to);
    return transfer("send", tensor, to, sent_, [tensor, to](ncclComm_t comm, cudaStream_t stream) {
      check_nccl(
          ncclSend(tensor.data_ptr(), tensor.nbytes(), ncclInt8, static_cast<int>(to.value()), comm, stream),
          "send");
    });
  }

  std::unique_ptr<Work> recv_async(at::Tensor tensor, Rank from) override {
    if (!tensor.is_cuda()) return control_->recv_async(tensor, from);
    check_whole(*this, "recv", tensor);
    check_peer(*this, "recv", from);
    return transfer("recv", tensor, from, received_, [tensor, from](ncclComm_t comm, cudaStream_t stream) {
      check_nccl(ncclRecv(tensor.data_ptr(), tensor.nbytes(), ncclInt8, static_cast<int>(from.value()), comm,
                          stream),
                 "recv");
    });
  }

  void barrier() override {
    channel_->flush();
    control_->barrier();
  }

  std::unique_ptr<Group> split(const Seating& seating, const std::string& name) override {
    return std::make_unique<NcclGroup>(control_->split(seating, name), channel_->monitor());
  }

 private:
  static size_t elements(const at::Tensor& tensor) { return static_cast<size_t>(tensor.numel()); }

  static Members members_of(const Group& group) {
    Members members{group.name(), group.rank(), {}};
    for (int64_t r = 0; r < group.size(); ++r) members.world.push_back(group.world_rank(Rank(r)));
    return members;
  }

  static ncclUniqueId new_id(Group& control) {
    ncclUniqueId id{};
    if (control.rank() == Rank(0)) check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
    at::Tensor bytes = at::from_blob(&id, {static_cast<int64_t>(sizeof(id))}, at::kByte);
    control.broadcast(bytes, Rank(0));
    return id;
  }

  // What has been summed beside the caller's tensor goes back into it, on the group's stream.
  static std::function<void()> copy_back(const at::Tensor& to, const at::Tensor& from) {
    if (from.data_ptr() == to.data_ptr()) return nullptr;
    return [to, from] {
      at::NoGradGuard no_grad;
      to.copy_(from);
    };
  }

  std::unique_ptr<Work> collective(const char* verb, std::vector<at::Tensor> used,
                                   const NcclChannel::Start& start,
                                   const std::function<void()>& after = nullptr) {
    auto done = channel_->run({verb, ++sequence_, std::nullopt}, start, after);
    return std::make_unique<NcclWork>(channel_, std::move(done), std::move(used));
  }

  std::unique_ptr<Work> transfer(const char* verb, at::Tensor tensor, Rank peer,
                                 std::vector<uint64_t>& counts, NcclChannel::Start start) {
    uint64_t sequence = ++counts[static_cast<size_t>(peer.value())];
    auto done = channel_->queue({verb, sequence, peer}, std::move(start));
    return std::make_unique<NcclWork>(channel_, std::move(done), std::vector<at::Tensor>{std::move(tensor)});
  }

  std::unique_ptr<Group> control_;
  std::shared_ptr<NcclChannel> channel_;
  uint64_t sequence_ = 0;
  std::vector<uint64_t> sent_, received_;  // by peer
};

// "host 0000:17:00.0" for the current device, or nothing where there is none.
std::string device_address() {
  if (c10::cuda::device_count() == 0) return "";
  char host[256] = "", bus[32] = "";
  gethostname(host, sizeof(host) - 1);
  check_cuda(cudaDeviceGetPCIBusId(bus, sizeof(bus), c10::cuda::current_device()), "cudaDeviceGetPCIBusId");
  return fmt::format("{} {}", host, bus);
}

}  // namespace

bool nccl_available() {
  return c10::cuda::device_count() > 0;
}

std::optional<std::string> nccl_obstacle(Group& group) {
  std::vector<std::string> addresses = gather_bytes(group, device_address());
  std::map<std::string, int64_t> owners;
  for (int64_t r = 0; r < group.size(); ++r) {
    const std::string& address = addresses[static_cast<size_t>(r)];
    if (address.empty()) {
      return fmt::format("rank {} of group {} sees no GPU; start as many ranks as there are GPUs", r,
                         group.name());
    }
    auto [owner, is_new] = owners.emplace(address, r);
    if (is_new) continue;
    return fmt::format(
        "ranks {} and {} of group {} use the same GPU ({}), which NCCL does not allow; start one rank a "
        "GPU, or let MPI carry the tensors",
        owner->second, r, group.name(), address);
  }
  return std::nullopt;
}

std::unique_ptr<Group> nccl_group(Group& bootstrap, std::shared_ptr<Watchdog> watchdog) {
  if (auto obstacle = nccl_obstacle(bootstrap)) fail_environment(*obstacle);
  return std::make_unique<NcclGroup>(bootstrap.split(everybody(), bootstrap.name()),
                                     std::make_shared<NcclMonitor>(std::move(watchdog)));
}

}  // namespace sextant::parallel
