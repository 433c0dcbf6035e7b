#pragma once

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parallel/watchdog.h"

// What group_nccl.cpp stands on: CUDA and NCCL handles that free themselves, the thread that watches them,
// and the channel that puts verbs on a stream. Only in builds with CUDA.
namespace sextant::parallel {

void check_cuda(cudaError_t code, const char* what);
void check_nccl(ncclResult_t code, const char* what);

// A point in a stream's work. Move-only.
class CudaEvent {
 public:
  CudaEvent();
  ~CudaEvent();
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  void record(cudaStream_t stream);
  void hold_back(cudaStream_t stream) const;  // until this point is reached
  bool reached() const;

 private:
  cudaEvent_t event_ = nullptr;
};

// A stream of high priority on the current device. Move-only.
class CudaStream {
 public:
  CudaStream();
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// Move-only. abort() ends the kernels that wait for lost ranks; safe from another thread.
class NcclCommunicator {
 public:
  NcclCommunicator(int64_t ranks, const ncclUniqueId& id, Rank rank);
  ~NcclCommunicator();
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  ncclComm_t get() const { return comm_; }
  // NCCL's own words when the network or a peer has failed, else empty.
  std::string failure() const;
  void abort();

 private:
  ncclComm_t comm_ = nullptr;
  std::atomic<bool> aborted_ = false;
};

// Watches verbs that are on a device: nobody on the host waits for them. One thread for all groups of a
// bootstrap.
class NcclMonitor {
 public:
  explicit NcclMonitor(std::shared_ptr<Watchdog> watchdog);
  ~NcclMonitor();

  void watch(std::shared_ptr<NcclCommunicator> communicator, const Members& members, Call call,
             std::shared_ptr<CudaEvent> done);
  // Throws what the thread has found; called before every verb.
  void throw_if_failed();

 private:
  struct Entry {
    Entry(Watchdog& watchdog, const Members& group, Call call)
        : members(group), vigil(watchdog, members, call) {}
    Members members;
    Vigil vigil;
    std::shared_ptr<NcclCommunicator> communicator;
    std::shared_ptr<CudaEvent> done;
  };
  void run();
  void look(std::list<Entry>& entries);

  std::shared_ptr<Watchdog> watchdog_;
  std::mutex mutex_;  // guards the four below
  std::condition_variable changed_;
  std::list<Entry> incoming_;
  std::string failure_;
  bool stop_ = false;
  std::thread thread_;
};

// A communicator and its stream. Sends and receives queue up and are started together: one at a time, they
// would block each other on the stream.
class NcclChannel {
 public:
  NcclChannel(Members members, const ncclUniqueId& id, std::shared_ptr<NcclMonitor> monitor);

  using Start = std::function<void(ncclComm_t, cudaStream_t)>;

  // Puts a verb on the stream, after all that the current stream has queued. `after`, when given, runs with
  // the group's stream as the current one.
  std::shared_ptr<CudaEvent> run(Call call, const Start& start, const std::function<void()>& after = nullptr);

  struct Transfer {
    Call call;
    Start start;
    std::shared_ptr<CudaEvent> done;
  };
  std::shared_ptr<CudaEvent> queue(Call call, Start start);
  // Starts what is queued.
  void flush();

  const Members& members() const { return members_; }
  const std::shared_ptr<NcclMonitor>& monitor() const { return monitor_; }
  c10::DeviceIndex device() const { return device_; }

 private:
  Members members_;
  std::shared_ptr<NcclMonitor> monitor_;
  c10::DeviceIndex device_;
  CudaStream stream_;
  std::shared_ptr<NcclCommunicator> communicator_;
  std::vector<Transfer> queued_;
};

}  // namespace sextant::parallel
