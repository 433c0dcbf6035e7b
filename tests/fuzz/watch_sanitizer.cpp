#include <sanitizer/allocator_interface.h>

#include "tests/fuzz/allocation_count.h"

// A sanitizer has an allocator of its own, which tells these hooks.
extern "C" {

void __sanitizer_malloc_hook(const volatile void*, size_t bytes) {
  sextant::fuzz::allocation_count().took(bytes);
}

void __sanitizer_free_hook(const volatile void* block) {
  if (block != nullptr)
    sextant::fuzz::allocation_count().gave(__sanitizer_get_allocated_size(const_cast<const void*>(block)));
}
}
