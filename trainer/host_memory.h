#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace sextant::trainer {

// Memory for CPU tensors that is kept once it has been touched. A training step asks for the same sizes again
// and again; the C library gives large ones back to the kernel, which then clears every page anew.
//
// One stretch of addresses is reserved, in huge pages where the kernel offers them, and cut best fit; freed
// neighbours are joined. Small requests, and all that finds no place, go to the C library. Any thread.
class HostMemory : public c10::Allocator {
 public:
  explicit HostMemory(size_t reserve_bytes);
  ~HostMemory() override;
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  c10::DataPtr allocate(size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override;
  void copy_data(void* to, const void* from, std::size_t bytes) const override;

  // Gives the pages of what is free back to the kernel. The addresses stay, for later requests.
  void give_pages_back();

  // The most that has been in use, gaps between blocks included.
  size_t highest_bytes() const;

 private:
  struct Block {
    size_t bytes;
    bool used;
  };
  char* take(size_t bytes);
  void give_back(char* block);
  static void release(void* data);

  mutable std::mutex mutex_;
  char* base_ = nullptr;
  size_t reserved_ = 0, top_ = 0;            // bytes; beyond top_ nothing was ever used
  std::map<char*, Block> blocks_;            // by address, without gaps up to top_
  std::set<std::pair<size_t, char*>> gaps_;  // free blocks by size
};

// Makes all CPU tensors from here on use such memory, as much as the machine has. Once, before there are
// threads.
void keep_host_memory();

// What only the start of a run needed, such as whole weights that have been shared out since, goes back to
// the kernel. Where the memory is kept; nothing elsewhere.
void give_unused_host_memory_back();

}  // namespace sextant::trainer
