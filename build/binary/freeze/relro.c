/* Makes relocated data read-only (RELRO) before anything else runs. The dynamic loader does this for dynamic programs; musl's
   start-up code does not do it for static ones. */

#ifdef __linux__
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int protect(struct dl_phdr_info *image, size_t size, void *unused) {
    (void)size;
    (void)unused;
    /* The linker ends this part at a page boundary, and puts nothing before it in its first page. */
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (const ElfW(Phdr) *part = image->dlpi_phdr; part < image->dlpi_phdr + image->dlpi_phnum; part++) {
        if (part->p_type == PT_GNU_RELRO) {
            uintptr_t start = (image->dlpi_addr + part->p_vaddr) & -page;
            uintptr_t end = (image->dlpi_addr + part->p_vaddr + part->p_memsz) & -page;
            mprotect((void *)start, end - start, PROT_READ);
        }
    }
    return 1;
}

__attribute__((constructor)) static void protect_what_was_relocated(void) { dl_iterate_phdr(protect, NULL); }
#endif
