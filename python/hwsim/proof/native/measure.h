/* One call, watched by the hooks and by two threads. */
#ifndef HWSIM_PROOF_MEASURE_H
#define HWSIM_PROOF_MEASURE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* measure(function, args, period_ns) -> dict */
PyObject *measure(PyObject *module, PyObject *const *arguments, Py_ssize_t n);

/* hold(seconds), wait(seconds): take that long, with the GIL and without. */
PyObject *hold_for(PyObject *module, PyObject *seconds);
PyObject *wait_for(PyObject *module, PyObject *seconds);

#endif
