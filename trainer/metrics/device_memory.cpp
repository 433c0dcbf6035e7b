#include "trainer/metrics/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "trainer/metrics/memory.h"

namespace sextant::trainer {

int64_t device_memory(at::Device device) {
  if (device.is_cpu()) return process_memory().resident;
  auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return stats.reserved_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
}

}  // namespace sextant::trainer
