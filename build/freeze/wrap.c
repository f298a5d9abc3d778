/* Replacements that the linker puts in the place of functions of the freezer, the interpreter and the C library
   (--wrap=NAME). Each says what it is for. */

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "Python.h"

/* The freezer would import inspect at each start, to teach it about compiled functions: most of the time of --version. */
void __wrap_patchInspectModule(PyThreadState *state) { (void)state; }

/* Without /proc the freezer's code aborts. The kernel has told us the program's path as well. */
ssize_t __real_readlink(const char *path, char *target, size_t size);

ssize_t __wrap_readlink(const char *path, char *target, size_t size) {
    ssize_t length = __real_readlink(path, target, size);
    if (length >= 0 || strcmp(path, "/proc/self/exe") != 0) {
        return length;
    }
    const char *executable = (const char *)getauxval(AT_EXECFN);
    if (executable == NULL || strlen(executable) > size) {
        errno = ENOENT;
        return -1;
    }
    length = (ssize_t)strlen(executable);
    memcpy(target, executable, (size_t)length);
    return length;
}

/* Variables named PYTHON... are for interpreters: this program is none, and must start whatever they say. */
PyStatus __real_Py_PreInitialize(const PyPreConfig *config);

PyStatus __wrap_Py_PreInitialize(const PyPreConfig *config) {
    PyPreConfig own = *config;
    own.use_environment = 0;
    own.isolated = 1;
    own.utf8_mode = 1;
    return __real_Py_PreInitialize(&own);
}

PyStatus __real_Py_InitializeFromConfig(const PyConfig *config);

PyStatus __wrap_Py_InitializeFromConfig(const PyConfig *config) {
    PyConfig own = *config;
    own.use_environment = 0;
    own.isolated = 1;
    return __real_Py_InitializeFromConfig(&own);
}
