#include <malloc.h>

#include <cstdlib>

#include "tests/fuzz/allocation_count.h"

// Stands before glibc's allocator in this program and all libraries that it loads.
extern "C" {

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
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

void free(void* block) {
  if (block != nullptr) sextant::fuzz::allocation_count().gave(malloc_usable_size(block));
  __libc_free(block);
}
}
