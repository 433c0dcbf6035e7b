#include "parallel/nccl_channel.h"

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <fmt/format.h>

#include <chrono>

#include "parallel/base/error.h"

namespace sextant::parallel {

void check_cuda(cudaError_t code, const char* what) {
  if (code != cudaSuccess)
    fail_environment(fmt::format("{} failed in CUDA: {}", what, cudaGetErrorString(code)));
}

void check_nccl(ncclResult_t code, const char* what) {
  if (code == ncclSuccess) return;
  fail_environment(fmt::format("{} failed in NCCL: {}; NCCL_DEBUG=INFO in the environment tells more", what,
                               ncclGetErrorString(code)));
}

CudaEvent::CudaEvent() {
  check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate");
}
CudaEvent::~CudaEvent() {
  cudaEventDestroy(event_);
}
void CudaEvent::record(cudaStream_t stream) {
  check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord");
}

void CudaEvent::hold_back(cudaStream_t stream) const {
  check_cuda(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent");
}

bool CudaEvent::reached() const {
  cudaError_t code = cudaEventQuery(event_);
  if (code == cudaErrorNotReady) return false;
  check_cuda(code, "cudaEventQuery");
  return true;
}

CudaStream::CudaStream() {
  int lowest = 0, highest = 0;
  check_cuda(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "cudaDeviceGetStreamPriorityRange");
  check_cuda(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, highest), "cudaStreamCreate");
}
CudaStream::~CudaStream() {
  cudaStreamDestroy(stream_);
}

NcclCommunicator::NcclCommunicator(int64_t ranks, const ncclUniqueId& id, Rank rank) {
  check_nccl(ncclCommInitRank(&comm_, static_cast<int>(ranks), id, static_cast<int>(rank.value())),
             "ncclCommInitRank");
}

NcclCommunicator::~NcclCommunicator() {
  if (!aborted_.exchange(true)) ncclCommDestroy(comm_);
}

std::string NcclCommunicator::failure() const {
  if (aborted_) return "";
  ncclResult_t state = ncclSuccess;
  ncclResult_t code = ncclCommGetAsyncError(comm_, &state);
  if (code != ncclSuccess) return ncclGetErrorString(code);
  return state == ncclSuccess || state == ncclInProgress ? "" : ncclGetErrorString(state);
}

void NcclCommunicator::abort() {
  if (!aborted_.exchange(true)) ncclCommAbort(comm_);
}

NcclMonitor::NcclMonitor(std::shared_ptr<Watchdog> watchdog)
    : watchdog_(std::move(watchdog)), thread_([this] { run(); }) {}

NcclMonitor::~NcclMonitor() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void NcclMonitor::watch(std::shared_ptr<NcclCommunicator> communicator, const Members& members, Call call,
                        std::shared_ptr<CudaEvent> done) {
  std::lock_guard lock(mutex_);
  Entry& entry = incoming_.emplace_back(*watchdog_, members, call);
  entry.communicator = std::move(communicator);
  entry.done = std::move(done);
}

void NcclMonitor::throw_if_failed() {
  std::lock_guard lock(mutex_);
  if (!failure_.empty()) fail_environment(failure_);
}

void NcclMonitor::run() {
  std::list<Entry> entries;  // oldest first
  std::unique_lock lock(mutex_);
  while (!stop_) {
    changed_.wait_for(lock, std::chrono::milliseconds(50));
    entries.splice(entries.end(), incoming_);
    lock.unlock();
    std::string found;
    try {
      look(entries);
    } catch (const std::exception& error) {
      found = error.what();
      for (Entry& entry : entries) entry.communicator->abort();
      entries.clear();
    }
    lock.lock();
    if (failure_.empty()) failure_ = found;
  }
}

void NcclMonitor::look(std::list<Entry>& entries) {
  entries.remove_if([](const Entry& entry) { return entry.done->reached(); });
  for (Entry& entry : entries) {
    std::string failure = entry.communicator->failure();
    if (!failure.empty()) {
      fail_environment(
          fmt::format("NCCL of group {} has failed: {}; a rank or the network is lost (NCCL_DEBUG=INFO in "
                      "the environment tells more)",
                      entry.members.name, failure));
    }
    entry.vigil.check();
  }
}

NcclChannel::NcclChannel(Members members, const ncclUniqueId& id, std::shared_ptr<NcclMonitor> monitor)
    : members_(std::move(members)),
      monitor_(std::move(monitor)),
      device_(c10::cuda::current_device()),
      communicator_(std::make_shared<NcclCommunicator>(static_cast<int64_t>(members_.world.size()), id,
                                                       members_.rank)) {}

std::shared_ptr<CudaEvent> NcclChannel::run(Call call, const Start& start,
                                            const std::function<void()>& after) {
  flush();
  monitor_->throw_if_failed();
  c10::cuda::CUDAGuard on_device(device_);
  CudaEvent ready;
  ready.record(c10::cuda::getCurrentCUDAStream(device_).stream());
  ready.hold_back(stream_.get());
  start(communicator_->get(), stream_.get());
  if (after) {
    c10::cuda::CUDAStreamGuard on_stream(c10::cuda::getStreamFromExternal(stream_.get(), device_));
    after();
  }
  auto done = std::make_shared<CudaEvent>();
  done->record(stream_.get());
  monitor_->watch(communicator_, members_, call, done);
  return done;
}

std::shared_ptr<CudaEvent> NcclChannel::queue(Call call, Start start) {
  queued_.push_back({call, std::move(start), std::make_shared<CudaEvent>()});
  return queued_.back().done;
}

void NcclChannel::flush() {
  if (queued_.empty()) return;
  monitor_->throw_if_failed();
  std::vector<Transfer> transfers = std::move(queued_);
  queued_.clear();
  c10::cuda::CUDAGuard on_device(device_);
  CudaEvent ready;
  ready.record(c10::cuda::getCurrentCUDAStream(device_).stream());
  ready.hold_back(stream_.get());
  check_nccl(ncclGroupStart(), "ncclGroupStart");
  for (const Transfer& transfer : transfers) transfer.start(communicator_->get(), stream_.get());
  check_nccl(ncclGroupEnd(), "ncclGroupEnd");
  for (const Transfer& transfer : transfers) {
    transfer.done->record(stream_.get());
    monitor_->watch(communicator_, members_, transfer.call, transfer.done);
  }
}

}  // namespace sextant::parallel
