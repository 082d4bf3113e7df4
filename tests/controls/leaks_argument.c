/* Leaks a reference to its argument, which can then never be freed. */
#define EXTRA_REFERENCES(argument, result) Py_INCREF(argument)
#include "control.h"
