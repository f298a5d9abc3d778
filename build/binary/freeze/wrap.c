/* Replacements for functions of the freezer, the interpreter and the C library; each comment gives the reason. On Linux the
   linker substitutes them (--wrap=NAME); on macOS, whose linker cannot, the compiler does (macos/clang). */

#include "Python.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define __real_Py_PreInitialize Py_PreInitialize
#define __real_Py_InitializeFromConfig Py_InitializeFromConfig
#endif

/* A closed standard stream must stay closed: the freezer would open /dev/null in its place, abort if there is none, and a
   handle written there would be lost silently. A placeholder keeps its number until the program starts. */
static int kept[3];

/* With a directory as stdin the interpreter would exit with a dump and its own exit code; the program reports the problem. */
void close_a_directory_as_input(void) {
    struct stat input;
    if (fstat(0, &input) == 0 && S_ISDIR(input.st_mode)) {
        close(0);
    }
}

static void keep_closed_streams(void) {
    close_a_directory_as_input();
    for (int descriptor = 0; descriptor < 3; descriptor++) {
        kept[descriptor] = fcntl(descriptor, F_GETFD) < 0 && socket(AF_UNIX, SOCK_STREAM, 0) == descriptor;
    }
}

static void close_kept_streams(void) {
    for (int descriptor = 0; descriptor < 3; descriptor++) {
        if (kept[descriptor]) {
            close(descriptor);
        }
    }
}

/* With an unknown C library the interpreter assumes a stack of the usual size; a smaller one (ulimit -s) would overflow before
   a deep recursion in C is refused. In a snapshot the bounds would also be another process's. Until 3.13 it counts the calls,
   none of which takes a KiB on average; since then it goes by the stack pointer, and the reserve is enough for what the kernel
   puts on the stack and for calls after the last check. */
void bound_the_stack(PyThreadState *state) {
#ifdef __linux__
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0) {
        return;
    }
#if PY_VERSION_HEX < 0x030e0000
    if (limit.rlim_cur < Py_C_RECURSION_LIMIT * 1024ul) {
        state->c_recursion_remaining = (int)(limit.rlim_cur / 1024);
    }
#else
    size_t size = 4 << 20, spare = 256 << 10;
    if (limit.rlim_cur < size + spare) {
        size = limit.rlim_cur > 2 * spare ? limit.rlim_cur - spare : limit.rlim_cur / 2;
    }
    uintptr_t top = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)4095;
    PyUnstable_ThreadState_SetStackProtection(state, (void *)(top - size), size);
#endif
#else
    (void)state;
#endif
}

/* The last call before the program. The freezer would import inspect here to patch it for compiled functions, which would
   take most of the time of --version. */
void __wrap_patchInspectModule(PyThreadState *state) {
    bound_the_stack(state);
    close_kept_streams();
}

/* The freezer requires argv[0] to be text, which it may not be. */
PyObject *__wrap_getOriginalArgv0Object(void) { return PyUnicode_FromString("orch-executor-cf-worker"); }

/* The freezer looks up the path of the executable, and aborts without /proc or if the path cannot be decoded, although this
   program never needs it. macOS provides the path without a file system. */
#ifdef __linux__
ssize_t __real_readlink(const char *path, char *target, size_t size);

ssize_t __wrap_readlink(const char *path, char *target, size_t size) {
    if (strcmp(path, "/proc/self/exe") != 0 || size < 1) {
        return __real_readlink(path, target, size);
    }
    target[0] = '/';
    return 1;
}
#endif

/* Variables named PYTHON... are for interpreters, and must not affect this program. */
PyStatus __real_Py_PreInitialize(const PyPreConfig *config);

PyStatus __wrap_Py_PreInitialize(const PyPreConfig *config) {
    keep_closed_streams();
    PyPreConfig own = *config;
    own.use_environment = 0;
    own.isolated = 1;
    own.utf8_mode = 1;
#ifdef SNAPSHOT
    /* Use one allocator for all memory, since malloc.c clears freed memory. */
    own.allocator = PYMEM_ALLOCATOR_MALLOC;
#endif
    return __real_Py_PreInitialize(&own);
}

PyStatus __real_Py_InitializeFromConfig(const PyConfig *config);

PyStatus __wrap_Py_InitializeFromConfig(const PyConfig *config) {
    PyConfig own = *config;
    own.use_environment = 0;
    own.isolated = 1;
    return __real_Py_InitializeFromConfig(&own);
}
