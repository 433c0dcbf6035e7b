#include <malloc.h>

#include <cerrno>
#include <cstdlib>

#include "tests/fuzz/allocation_count.h"

// Stands before glibc's allocator in this program and all libraries that it loads.
extern "C" {

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* block);

void* malloc(size_t bytes) {
  sextant::fuzz::allocation_count().took(bytes);
  return __libc_malloc(bytes);
}

void* calloc(size_t count, size_t bytes) {
  sextant::fuzz::allocation_count().took(count * bytes);
  return __libc_calloc(count, bytes);
}

void* realloc(void* block, size_t bytes) {
  if (block != nullptr) sextant::fuzz::allocation_count().gave(malloc_usable_size(block));
  sextant::fuzz::allocation_count().took(bytes);
  return __libc_realloc(block, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
  sextant::fuzz::allocation_count().took(bytes);
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  return memalign(alignment, bytes);
}

int posix_memalign(void** block, size_t alignment, size_t bytes) {
  *block = memalign(alignment, bytes);
  return *block == nullptr ? ENOMEM : 0;
}

void free(void* block) {
  if (block != nullptr) sextant::fuzz::allocation_count().gave(malloc_usable_size(block));
  __libc_free(block);
}
}
