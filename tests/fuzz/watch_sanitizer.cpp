#include <cstddef>

#include "tests/fuzz/allocation_count.h"

// A sanitizer has an allocator of its own, which tells these hooks. Declared here:
// sanitizer/allocator_interface.h comes with clang only.
extern "C" {

size_t __sanitizer_get_allocated_size(const volatile void* block);

void __sanitizer_malloc_hook(const volatile void*, size_t bytes) {
  sextant::fuzz::allocation_count().took(bytes);
}

void __sanitizer_free_hook(const volatile void* block) {
  if (block != nullptr) sextant::fuzz::allocation_count().gave(__sanitizer_get_allocated_size(block));
}
}
