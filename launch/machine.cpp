#include "launch/machine.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "parallel/base/error.h"

namespace sextant::launch {
namespace {

int64_t gpu_count() {
  return at::hasCUDA() ? c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount() : 0;
}

// Bytes that this rank may count on: its GPU's, or its share of the machine's.
double memory_of(at::Device device, int64_t ranks_on_machine) {
  return memory_of_machine(device) / (device.is_cuda() ? 1.0 : static_cast<double>(ranks_on_machine));
}

}  // namespace

int64_t cores_allowed() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return std::max(1, CPU_COUNT(&allowed));
}

double memory_of_machine(at::Device device) {
  if (device.is_cuda()) {
    return static_cast<double>(at::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).second);
  }
  return static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

int share_out_threads(int64_t ranks_on_machine) {
  int threads = 0;
  // "4,2" is for nested teams, and we are the outermost; what is no number counts as not given.
  if (const char* given = std::getenv("OMP_NUM_THREADS"))
    threads = static_cast<int>(std::strtol(given, nullptr, 10));
  if (threads < 1) {
    // mpirun may have bound this rank to a core or a socket: it shares that with its part of the ranks only.
    int64_t cores = cores_allowed();
    int64_t all = std::max<int64_t>(cores, std::thread::hardware_concurrency());
    int64_t sharing = std::max<int64_t>(1, (ranks_on_machine * cores + all - 1) / all);
    threads = static_cast<int>(std::max<int64_t>(1, cores / sharing));
  }
  at::set_num_threads(threads);
  at::set_num_interop_threads(1);
  return threads;
}

at::Device choose_device(trainer::RunSettings::Device wanted, const parallel::MpiSession& session) {
  if (wanted == trainer::RunSettings::cpu) return at::kCPU;
  int64_t gpus = gpu_count();
  if (gpus == 0) {
    require(wanted == trainer::RunSettings::automatic,
            "run.device is cuda, but this build or this machine has no CUDA device; set run.device=cpu, or "
            "build with "
            "the preset cuda (docs/cluster.md)");
    return at::kCPU;
  }
  at::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(session.local_rank().value() % gpus));
  c10::impl::VirtualGuardImpl(at::kCUDA).setDevice(device);
  return device;
}

trainer::RankResources resources_of(parallel::Group& world, const parallel::MpiSession& session,
                                    at::Device device) {
  std::vector<double> least = parallel::reduce_numbers(
      world, {memory_of(device, session.local_size()), static_cast<double>(session.local_size())},
      parallel::Reduce::kMin);
  using Processor = trainer::RankResources::Processor;
  return {world.size(), static_cast<int64_t>(least[1]), least[0],
          device.is_cpu() ? Processor::kCpu : Processor::kGpu};
}

at::Device best_device() {
  return gpu_count() > 0 ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
}

}  // namespace sextant::launch
