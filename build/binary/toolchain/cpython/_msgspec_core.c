/* msgspec's C core as a part of the interpreter: Python.h has to come before the system headers that _core.c starts
   with, and the function's name has to be the one that the table of built-in modules expects. */
#include "Python.h"
#define PyInit__core PyInit__msgspec_core
#include "_core.c"
