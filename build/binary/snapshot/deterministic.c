/* While the program is prepared, the system gives the same answers each time, so that the same program gets the same
   memory, byte for byte, and nothing of the building machine is in it. The linker puts these functions in the place of the
   C library's (--wrap=NAME); once the snapshot is taken, they pass everything on. */

#define _GNU_SOURCE
#include "snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

int snapshot_taken;
struct snapshot_region snapshot_small = {SNAPSHOT_SMALL, SNAPSHOT_SMALL};
struct snapshot_region snapshot_large = {SNAPSHOT_LARGE, SNAPSHOT_LARGE};
unsigned snapshot_random_calls;
size_t snapshot_random_bytes;

static uintptr_t aligned(uintptr_t address, size_t alignment) { return (address + alignment - 1) & -(uintptr_t)alignment; }

void *__real_mmap(void *, size_t, int, int, int, off_t);

void *__wrap_mmap(void *wish, size_t size, int protection, int flags, int descriptor, off_t offset) {
    if (snapshot_taken || !(flags & MAP_ANONYMOUS) || (flags & MAP_FIXED)) {
        return __real_mmap(wish, size, protection, flags, descriptor, offset);
    }
    /* 64 KiB is the largest page that a machine of ours may have. */
    int large = size >= SNAPSHOT_LARGE_ALIGNMENT;
    struct snapshot_region *region = large ? &snapshot_large : &snapshot_small;
    uintptr_t start = aligned(region->end, large ? SNAPSHOT_LARGE_ALIGNMENT : 0x10000), end = start + aligned(size, 0x10000);
    if (!large && end > SNAPSHOT_LARGE) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *got = __real_mmap((void *)start, end - start, protection, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != MAP_FAILED && got != (void *)start) {
        snapshot_fail("another address was given than", start);
    }
    region->end = got == MAP_FAILED ? region->end : end;
    return got;
}

/* Pseudorandom bytes from a linear congruential generator. */
static ssize_t not_random(unsigned char *bytes, size_t size) {
    static uint64_t state = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = state >> 56;
    }
    snapshot_random_calls++;
    snapshot_random_bytes += size;
    return (ssize_t)size;
}

ssize_t __real_getrandom(void *, size_t, unsigned);

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags) {
    return snapshot_taken ? __real_getrandom(bytes, size, flags) : not_random(bytes, size);
}

long __real_syscall(long, ...);

long __wrap_syscall(long number, ...) {
    long with[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) {
        with[i] = va_arg(arguments, long);
    }
    va_end(arguments);
    if (!snapshot_taken && number == SYS_getrandom) {
        return not_random((unsigned char *)with[0], (size_t)with[1]);
    }
#ifdef SYS_open
    /* The allocator reads and remembers how this machine overcommits memory. */
    if (!snapshot_taken && number == SYS_open) {
        errno = ENOENT;
        return -1;
    }
#endif
    return __real_syscall(number, with[0], with[1], with[2], with[3], with[4], with[5]);
}

int __real___clock_gettime(clockid_t, struct timespec *);

/* A second after the start of the machine, so that no process is older than what the snapshot remembers. The C library's
   own function would remember where the system has its fast clock in this process. */
int __wrap___clock_gettime(clockid_t clock, struct timespec *now) {
    if (snapshot_taken) {
        return __real___clock_gettime(clock, now);
    }
    *now = (struct timespec){.tv_sec = clock == CLOCK_REALTIME ? 1700000000 : 1};
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) { return __wrap___clock_gettime(clock, now); }

int __real_fstat(int, struct stat *);

/* The interpreter remembers the three streams: files of the build, with a size and a date. */
int __wrap_fstat(int descriptor, struct stat *found) {
    if (snapshot_taken || descriptor < 0 || descriptor > 2) {
        return __real_fstat(descriptor, found);
    }
    memset(found, 0, sizeof *found);
    found->st_mode = S_IFCHR | 0600;
    found->st_blksize = 4096;
    return 0;
}
