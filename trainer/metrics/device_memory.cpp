#include "trainer/metrics/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "trainer/host_memory.h"
#include "trainer/metrics/memory.h"

namespace sextant::trainer {

int64_t device_memory(at::Device device) {
  if (device.is_cpu()) return process_memory().resident;
  auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return stats.reserved_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
}

void forget_device_memory(at::Device device) {
  if (device.is_cpu()) return give_unused_host_memory_back();
  auto* allocator = at::getDeviceAllocator(device.type());
  allocator->emptyCache();
  allocator->resetPeakStats(device.index());
}

}  // namespace sextant::trainer
