/* Takes the snapshot where the interpreter would exit, and continues there when the executable with the snapshot starts. */

#define _GNU_SOURCE
#include "Python.h"
#include "internal/mimalloc/mimalloc.h"
#include "snapshot.h"

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The descriptor for the snapshot. */
#define OUTPUT 3

/* Who may ask for random bytes while the program is prepared: the allocator, for the order of its blocks; the
   interpreter, for the hashes of text; the module `random`, which is seeded anew at each start. Whoever else asks would get
   the same in every process. TLS has a generator of its own, which has to be seeded by the process that uses it. */
#define RANDOM_CALLS 3
#define RANDOM_BYTES (32 + 24 + 2496)

/* The entry point: a Python function, called with the arguments and the environment. */
static PyObject *entry;

/* This thread's own variables of the C code, as the prepared process leaves them, and where they are: in memory that the
   C library has for its first thread, so at the same address in every process. */
static unsigned char thread_variables[256];
static size_t thread_variables_size;
static void *thread_variables_place;

static int find_thread_variables(struct dl_phdr_info *file, size_t size, void *unused) {
    (void)size;
    (void)unused;
    for (const ElfW(Phdr) *part = file->dlpi_phdr; part < file->dlpi_phdr + file->dlpi_phnum; part++) {
        if (part->p_type == PT_TLS) {
            thread_variables_size = part->p_memsz;
            thread_variables_place = file->dlpi_tls_data;
        }
    }
    return 1;
}

/* Objects that live as long as the process are not counted: counting would write to their pages, and each page that is
   written to is a page fault and memory of this process alone. A quarter of a spawn. */
void _Py_SetImmortalUntracked(PyObject *object);

static PyObject **waiting;
static size_t waiting_count, waiting_room;

static int make_immortal(PyObject *object, void *unused) {
    (void)unused;
    if (!object || _Py_IsImmortal(object)) {
        return 0;
    }
    _Py_SetImmortalUntracked(object);
    if (waiting_count == waiting_room) {
        waiting_room = waiting_room ? 2 * waiting_room : 1 << 16;
        waiting = realloc(waiting, waiting_room * sizeof *waiting);
    }
    waiting[waiting_count++] = object;
    return 0;
}

/* The interpreter's own classes are immortal already, but not the objects that they refer to. */
static void visit_class(PyTypeObject *class) {
    PyObject *namespace = PyType_GetDict(class);
    make_immortal(namespace, NULL);
    if (namespace) {
        Py_TYPE(namespace)->tp_traverse(namespace, make_immortal, NULL);
    }
    make_immortal(class->tp_mro, NULL);
    make_immortal(class->tp_bases, NULL);
}

static void visit_code(PyCodeObject *code) {
    PyObject *parts[] = {code->co_consts,   code->co_names,          code->co_exceptiontable, code->co_localsplusnames,
                         code->co_filename, code->co_localspluskinds, code->co_name,           code->co_qualname,
                         code->co_linetable};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        make_immortal(parts[i], NULL);
    }
}

static void visit(PyObject *object) {
    PyTypeObject *class = Py_TYPE(object);
    make_immortal((PyObject *)class, NULL);
    if (PyType_Check(object)) {
        visit_class((PyTypeObject *)object);
    }
    if (PyCode_Check(object)) {
        visit_code((PyCodeObject *)object);
    }
    if (class->tp_traverse && (!PyType_Check(object) || PyType_HasFeature((PyTypeObject *)object, Py_TPFLAGS_HEAPTYPE))) {
        class->tp_traverse(object, make_immortal, NULL);
    }
}

static void make_all_immortal(PyObject *tracked) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(tracked); i++) {
        PyObject *object = PyList_GET_ITEM(tracked, i);
        make_immortal(object, NULL);
        visit(object);
    }
    while (waiting_count) {
        visit(waiting[--waiting_count]);
    }
    free(waiting);
    waiting = NULL;
    waiting_room = 0;
}

/* Returns *name* of *module*. */
static PyObject *prepared(const char *module, const char *name) {
    PyObject *found = PyImport_ImportModule(module);
    found = found ? PyObject_GetAttrString(found, name) : NULL;
    if (!found) {
        PyErr_Print();
        snapshot_fail("the program was not prepared", 0);
    }
    return found;
}

void __real_Py_Exit(int code);

/* Called when the interpreter has finished the start script, and no Python frame is left. */
void __wrap_Py_Exit(int code) {
    if (snapshot_taken || code != 0) {
        __real_Py_Exit(code);
    }
    entry = prepared("prepare", "run");
    PyObject *tracked = PyObject_CallNoArgs(prepared("gc", "get_objects"));
    make_all_immortal(tracked);
    Py_DECREF(tracked);
    if (snapshot_random_calls != RANDOM_CALLS || snapshot_random_bytes != RANDOM_BYTES) {
        snapshot_fail("something else has asked for random bytes; in all it was", snapshot_random_bytes);
    }
    mi_collect(true);
    /* What comes from the file must never be given back page by page: it would come back as it is in the file, and the
       allocator takes it for zeros. */
    mi_option_set(mi_option_purge_delay, -1);
    dl_iterate_phdr(find_thread_variables, NULL);
    if (thread_variables_size > sizeof thread_variables) {
        snapshot_fail("more variables of the thread than expected:", thread_variables_size);
    }
    PyThreadState_Get()->native_thread_id = 0;
    memcpy(thread_variables, thread_variables_place, thread_variables_size);
    snapshot_write(OUTPUT);
    _exit(0);
}

/* Shared with the ordinary start, in wrap.c. */
void close_a_directory_as_input(void);
void bound_the_stack(PyThreadState *state);

extern char **environ;

static PyObject *list_of(char **texts, PyObject *(*object)(const char *)) {
    PyObject *list = PyList_New(0);
    for (; list && *texts; texts++) {
        PyObject *item = object(*texts);
        if (!item || PyList_Append(list, item)) {
            return NULL;
        }
        Py_DECREF(item);
    }
    return list;
}

static int continue_with(char **arguments) {
    PyThreadState *state = PyThreadState_Get();
    state->native_thread_id = PyThread_get_thread_native_id();
    /* As in the interpreter's own start-up; everything else stays as the process received it. */
    PyOS_setsig(SIGPIPE, SIG_IGN);
    PyOS_setsig(SIGXFSZ, SIG_IGN);
    close_a_directory_as_input();
    bound_the_stack(state);
    PyObject *given = list_of(arguments, PyUnicode_DecodeFSDefault), *variables = list_of(environ, PyBytes_FromString);
    if (given && variables) {
        PyObject_CallFunctionObjArgs(entry, given, variables, NULL);
    }
    PyErr_Print();
    return 70;
}

/* The C library's own: sets up this thread and what the kernel says of the process. */
void __init_libc(char **environment, char *name);
int __real___libc_start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void));

/* Called by the first instructions of the file. In the snapshot all constructors have run, and must not run again. The
   stack cannot be checked in a function that runs before the C library knows its thread. */
__attribute__((optimize("no-stack-protector"))) int
__wrap___libc_start_main(int (*main)(int, char **, char **), int count, char **arguments, void (*init)(void),
                         void (*fini)(void), void (*loader)(void)) {
    if (!snapshot_taken) {
        return __real___libc_start_main(main, count, arguments, init, fini, loader);
    }
    __init_libc(arguments + count + 1, arguments[0]);
    memcpy(thread_variables_place, thread_variables, thread_variables_size);
    _exit(continue_with(arguments));
}
