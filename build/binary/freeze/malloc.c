/* CPython's bundled allocator for the whole program, except on macOS: musl's own is slow by design (5 % of a spawn). */

#ifdef __linux__

#include <errno.h>
#include <stddef.h>

void *mi_malloc(size_t size);
void *mi_calloc(size_t count, size_t size);
void *mi_realloc(void *block, size_t size);
void mi_free(void *block);
void *mi_malloc_aligned(size_t size, size_t alignment);
size_t mi_malloc_usable_size(const void *block);

#ifdef SNAPSHOT
#include "snapshot.h"
#include <string.h>

/* Cleared, because freed memory would otherwise keep its content in the snapshot: names, paths, documents. */
static void give_back(void *block) {
    if (!snapshot_taken && block) {
        memset(block, 0, mi_malloc_usable_size(block));
    }
    mi_free(block);
}

static void *resized(void *block, size_t size) {
    if (snapshot_taken || !block) {
        return mi_realloc(block, size);
    }
    size_t before = mi_malloc_usable_size(block);
    void *moved = mi_malloc(size);
    if (moved) {
        memcpy(moved, block, before < size ? before : size);
        give_back(block);
    }
    return moved;
}
#else
#define give_back mi_free
#define resized mi_realloc
#endif

void *malloc(size_t size) { return mi_malloc(size); }
void *calloc(size_t count, size_t size) { return mi_calloc(count, size); }
void *realloc(void *block, size_t size) { return resized(block, size); }
void free(void *block) { give_back(block); }
void *aligned_alloc(size_t alignment, size_t size) { return mi_malloc_aligned(size, alignment); }
void *memalign(size_t alignment, size_t size) { return mi_malloc_aligned(size, alignment); }
size_t malloc_usable_size(void *block) { return mi_malloc_usable_size(block); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = mi_malloc_aligned(size, alignment);
    return *block == NULL ? ENOMEM : 0;
}

#endif
