#include "trainer/host_memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

namespace sextant::trainer {
namespace {

constexpr size_t kSmallest = 64 << 10;  // below, the C library is as good
constexpr size_t kStep = 4 << 10;       // sizes of blocks are multiples of it

// Stands in front of the data and keeps it on a cache line.
struct alignas(64) Header {
  HostMemory* owner;  // null: the C library's
};

Header* header_of(void* data) {
  return static_cast<Header*>(data) - 1;
}

}  // namespace

HostMemory::HostMemory(size_t reserve_bytes) {
  void* found = mmap(nullptr, reserve_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) return;  // address space is limited: everything goes to the C library
  base_ = static_cast<char*>(found);
  reserved_ = reserve_bytes;
  madvise(base_, reserved_, MADV_HUGEPAGE);  // a wish; kernels without huge pages refuse it
}

HostMemory::~HostMemory() {
  if (base_ != nullptr) munmap(base_, reserved_);
}

c10::DataPtr HostMemory::allocate(size_t bytes) {
  if (bytes == 0) return {nullptr, at::Device(at::kCPU)};
  void* block = nullptr;
  HostMemory* owner = nullptr;
  if (bytes >= kSmallest) {
    block = take((bytes + sizeof(Header) + kStep - 1) / kStep * kStep);
    if (block != nullptr) owner = this;
  }
  if (block == nullptr && posix_memalign(&block, alignof(Header), bytes + sizeof(Header)) != 0) {
    throw std::bad_alloc();
  }
  auto* header = new (block) Header{owner};
  void* data = header + 1;
  return {data, data, &HostMemory::release, at::Device(at::kCPU)};
}

c10::DeleterFnPtr HostMemory::raw_deleter() const {
  return &HostMemory::release;
}

void HostMemory::copy_data(void* to, const void* from, std::size_t bytes) const {
  default_copy_data(to, from, bytes);
}

void HostMemory::give_pages_back() {
  std::lock_guard lock(mutex_);
  for (auto [bytes, start] : gaps_) madvise(start, bytes, MADV_DONTNEED);  // a wish, too
}

size_t HostMemory::highest_bytes() const {
  std::lock_guard lock(mutex_);
  return top_;
}

// The smallest gap that is large enough, cut to size, or fresh memory behind the last block.
char* HostMemory::take(size_t bytes) {
  std::lock_guard lock(mutex_);
  auto gap = gaps_.lower_bound({bytes, nullptr});
  if (gap == gaps_.end()) {
    if (bytes > reserved_ - top_) return nullptr;
    char* fresh = base_ + top_;
    top_ += bytes;
    blocks_[fresh] = {bytes, true};
    return fresh;
  }
  auto [size, start] = *gap;
  gaps_.erase(gap);
  blocks_[start] = {bytes, true};
  if (size > bytes) {
    blocks_[start + bytes] = {size - bytes, false};
    gaps_.insert({size - bytes, start + bytes});
  }
  return start;
}

void HostMemory::give_back(char* block) {
  std::lock_guard lock(mutex_);
  auto here = blocks_.find(block);
  here->second.used = false;
  auto next = std::next(here);
  if (next != blocks_.end() && !next->second.used) {
    gaps_.erase({next->second.bytes, next->first});
    here->second.bytes += next->second.bytes;
    blocks_.erase(next);
  }
  if (here != blocks_.begin()) {
    auto before = std::prev(here);
    if (!before->second.used) {
      gaps_.erase({before->second.bytes, before->first});
      before->second.bytes += here->second.bytes;
      blocks_.erase(here);
      here = before;
    }
  }
  gaps_.insert({here->second.bytes, here->first});
}

void HostMemory::release(void* data) {
  if (data == nullptr) return;
  Header* header = header_of(data);
  if (header->owner == nullptr) {
    std::free(header);
  } else {
    header->owner->give_back(reinterpret_cast<char*>(header));
  }
}

void keep_host_memory() {
  auto pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
  // Never freed: tensors that outlive everything else still give their memory back to it.
  auto* memory = new HostMemory(pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  c10::SetCPUAllocator(memory, 1);
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): see above

void give_unused_host_memory_back() {
  auto* memory = dynamic_cast<HostMemory*>(c10::GetCPUAllocator());
  if (memory != nullptr) memory->give_pages_back();
}

}  // namespace sextant::trainer
