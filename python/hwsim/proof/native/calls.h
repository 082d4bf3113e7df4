/* The audit: each call of a C callable by Python code, charged with its own holds of the GIL. */
#ifndef HWSIM_PROOF_CALLS_H
#define HWSIM_PROOF_CALLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* audit_start(records), audit_stop() -> list: see _trace.pyi. Between them the callbacks count. */
PyObject *audit_start(PyObject *module, PyObject *records);
PyObject *audit_stop(PyObject *module, PyObject *nothing);

/* spans() -> list: what was recorded of each thread until audit_stop(). */
PyObject *audit_spans(PyObject *module, PyObject *nothing);

#if PY_VERSION_HEX >= 0x030c0000
/* Callbacks for sys.monitoring. */
PyObject *on_call(PyObject *module, PyObject *const *arguments, Py_ssize_t n);
PyObject *on_return(PyObject *module, PyObject *const *arguments, Py_ssize_t n);
PyObject *on_enter(PyObject *module, PyObject *const *arguments, Py_ssize_t n);
PyObject *on_leave(PyObject *module, PyObject *const *arguments, Py_ssize_t n);
#else
/* A profile function for threads that start later: puts the audit's own in its place. */
PyObject *on_thread(PyObject *module, PyObject *const *arguments, Py_ssize_t n);
#endif

#endif
