/* The allocator that CPython carries, for the whole program: musl's own is slow by design (5 % of a spawn). macOS keeps
   its own. */

#ifdef __linux__

#include <errno.h>
#include <stddef.h>

void *mi_malloc(size_t size);
void *mi_calloc(size_t count, size_t size);
void *mi_realloc(void *block, size_t size);
void mi_free(void *block);
void *mi_malloc_aligned(size_t size, size_t alignment);
size_t mi_malloc_usable_size(const void *block);

void *malloc(size_t size) { return mi_malloc(size); }
void *calloc(size_t count, size_t size) { return mi_calloc(count, size); }
void *realloc(void *block, size_t size) { return mi_realloc(block, size); }
void free(void *block) { mi_free(block); }
void *aligned_alloc(size_t alignment, size_t size) { return mi_malloc_aligned(size, alignment); }
void *memalign(size_t alignment, size_t size) { return mi_malloc_aligned(size, alignment); }
size_t malloc_usable_size(void *block) { return mi_malloc_usable_size(block); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = mi_malloc_aligned(size, alignment);
    return *block == NULL ? ENOMEM : 0;
}

#endif
