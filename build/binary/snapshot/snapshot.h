/* A program is started once while it is built, up to where it would read its arguments, and its memory is written into a
   new executable: the snapshot. deterministic.c makes that memory the same each time, dump.c writes it, restore.c takes it
   and continues from it. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* False while the program is prepared; true in the memory that is written, so in every process that starts from it. */
extern int snapshot_taken;

/* Where all memory from mmap is placed meanwhile. The first region begins behind any image of ours, and the second, for
   what the allocator wants aligned to 32 MiB, behind any use of the first. Close together, since some kernels reserve
   everything between an image's first and last address at once. */
#define SNAPSHOT_SMALL ((uintptr_t)0x2000000)
#define SNAPSHOT_LARGE ((uintptr_t)0x4000000)
#define SNAPSHOT_LARGE_ALIGNMENT ((size_t)0x2000000)

struct snapshot_region {
    uintptr_t start, end;
};

/* What was handed out of the two regions. */
extern struct snapshot_region snapshot_small, snapshot_large;

/* How often the system's random generator was asked, and for how many bytes in all. */
extern unsigned snapshot_random_calls;
extern size_t snapshot_random_bytes;

/* Ends the build with a sentence. */
_Noreturn void snapshot_fail(const char *sentence, uintptr_t detail);

/* Writes the memory of this process to *descriptor*; true from then on is `snapshot_taken`. */
void snapshot_write(int descriptor);
