/* Leaks a reference to its result: Py_BuildValue("O", ...) of a new object, for example. */
#define EXTRA_REFERENCES(argument, result) Py_XINCREF(result)
#include "control.h"
