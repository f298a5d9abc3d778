/* Writes the memory of the prepared process, after asking whether all of it may be written: as records of address, size
   and bytes, which `elf.py` makes an executable of. */

#define _GNU_SOURCE
#include "snapshot.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
#define MOST_MAPPINGS 64

/* The C library's stack canary, which each process chooses anew. */
extern uintptr_t __stack_chk_guard;

/* The beginning of what the C library keeps of the process. An emulator has threads of its own, which the kernel counts. */
extern struct {
    char flags[4];
    int threads_besides_first;
} __libc;

_Noreturn void snapshot_fail(const char *sentence, uintptr_t detail) {
    dprintf(2, "no snapshot can be taken: %s %#lx\n", sentence, (unsigned long)detail);
    _exit(1);
}

/* The layout of this process's memory; on the stack, which is not written. */
struct memory {
    /* The executable's writable segments: one, or two where the linker keeps what becomes read-only apart. */
    struct snapshot_region images[4];
    int images_count;
    /* The stack, and what the kernel or an emulator shares with the process. Any other memory is a mistake, since it is not
       written and pointers to it would lead nowhere. */
    struct snapshot_region foreign[MOST_MAPPINGS];
    int foreign_count;
    /* What the allocator has reserved in the two regions, and has no access to before it needs it: it reads as zeros. */
    struct snapshot_region reserved[MOST_MAPPINGS];
    int reserved_count;
};

static int find_images(struct dl_phdr_info *file, size_t size, void *memory) {
    struct memory *found = memory;
    (void)size;
    for (const ElfW(Phdr) *part = file->dlpi_phdr; part < file->dlpi_phdr + file->dlpi_phnum; part++) {
        if (part->p_type == PT_LOAD && (part->p_flags & PF_W)) {
            if (found->images_count == sizeof found->images / sizeof *found->images) {
                snapshot_fail("there are too many writable segments, up to", part->p_vaddr);
            }
            found->images[found->images_count++] =
                (struct snapshot_region){part->p_vaddr, part->p_vaddr + part->p_memsz};
        }
    }
    return 1;
}

/* Returns a file of /proc as a zero-terminated text. */
static void read_text(const char *path, char *text, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t got = 0;
    for (ssize_t more; file >= 0 && (more = read(file, text + got, size - 1 - got)) > 0;) {
        got += (size_t)more;
    }
    close(file);
    if (file < 0 || got == size - 1) {
        snapshot_fail("/proc cannot be read, or is too long:", got);
    }
    text[got] = 0;
}

static int within(uintptr_t address, struct snapshot_region region) {
    return address >= region.start && address < region.end;
}

static int within_any(uintptr_t address, const struct snapshot_region *regions, int count) {
    while (count-- > 0) {
        if (within(address, regions[count])) {
            return 1;
        }
    }
    return 0;
}

static void sort_out(struct memory *memory, struct snapshot_region mapping, const char *access, const char *name) {
    if (memory->foreign_count == MOST_MAPPINGS || memory->reserved_count == MOST_MAPPINGS) {
        snapshot_fail("there are too many mappings, up to", mapping.start);
    }
    if (mapping.start < memory->images[memory->images_count - 1].end) {
        /* The executable. An emulator does not name all its pages, and what looks like their address may be a short text. */
    } else if (within(mapping.start, snapshot_small) || within(mapping.start, snapshot_large)) {
        if (access[0] != 'r') {
            memory->reserved[memory->reserved_count++] = mapping;
        }
    } else if ((name[0] == '[' && strcmp(name, "[heap]")) || (!name[0] && access[1] != 'w')) {
        memory->foreign[memory->foreign_count++] = mapping;
    } else {
        snapshot_fail("there is memory outside of it, at", mapping.start);
    }
}

static void sort_out_mappings(struct memory *memory) {
    char text[1 << 15];
    read_text("/proc/self/maps", text, sizeof text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        struct snapshot_region mapping;
        char access[5] = "", name[64] = "";
        if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %63s", &mapping.start, &mapping.end, access, name) < 3) {
            snapshot_fail("/proc/self/maps is not understood", 0);
        }
        sort_out(memory, mapping, access, name);
    }
}

static void check_threads_and_files(int descriptor) {
    if (__libc.threads_besides_first != 0) {
        snapshot_fail("there is more than one thread:", 1 + (uintptr_t)__libc.threads_besides_first);
    }
    for (int other = 3; other < 1024; other++) {
        if (other != descriptor && fcntl(other, F_GETFD) >= 0) {
            snapshot_fail("a descriptor is open:", (uintptr_t)other);
        }
    }
}

/* What is of this process alone becomes zero, as it is in a process that starts: pointers into its stack (its arguments
   and environment, which the C library finds anew), and what its stack is checked with. */
static uintptr_t without_this_process(const struct memory *memory, uintptr_t word) {
    return word == __stack_chk_guard || within_any(word, memory->foreign, memory->foreign_count) ? 0 : word;
}

/* The C library keeps this thread's number beside what it knows of the thread, behind nothing but pointers; each process
   sets it anew. */
static int *thread_number(void) {
    int number = (int)gettid(), *around = (int *)__builtin_thread_pointer();
    for (int *word = around - 64; word < around + 64; word++) {
        if (*word == number) {
            return word;
        }
    }
    snapshot_fail("the thread's number was not found, and is", (uintptr_t)number);
}

static void write_all(int descriptor, const void *bytes, size_t size) {
    for (ssize_t done; size; bytes = (const char *)bytes + done, size -= (size_t)done) {
        if ((done = write(descriptor, bytes, size)) < 0) {
            snapshot_fail("it cannot be written, error", (uintptr_t)errno);
        }
    }
}

static void write_region(int descriptor, const struct memory *memory, struct snapshot_region region) {
    uintptr_t head[2] = {region.start, region.end - region.start};
    write_all(descriptor, head, sizeof head);
    for (uintptr_t at = region.start; at < region.end; at += PAGE) {
        size_t size = region.end - at < PAGE ? region.end - at : PAGE;
        uintptr_t words[PAGE / sizeof(uintptr_t)] = {0};
        if (!within_any(at, memory->reserved, memory->reserved_count)) {
            memcpy(words, (const void *)at, size);
        }
        for (size_t i = 0; i < size / sizeof *words; i++) {
            words[i] = without_this_process(memory, words[i]);
        }
        write_all(descriptor, words, size);
    }
}

void snapshot_write(int descriptor) {
    struct memory memory = {0};
    dl_iterate_phdr(find_images, &memory);
    check_threads_and_files(descriptor);
    sort_out_mappings(&memory);
    *thread_number() = 0;
    errno = 0;
    snapshot_taken = 1;
    for (int i = 0; i < memory.images_count; i++) {
        write_region(descriptor, &memory, memory.images[i]);
    }
    write_region(descriptor, &memory, snapshot_small);
    write_region(descriptor, &memory, snapshot_large);
}
