/* hwsim.proof._trace: who has the GIL, of any extension, without its cooperation. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>

#include "calls.h"
#include "hooks.h"
#include "measure.h"
#include "slots.h"
#include "thread.h"

static PyObject *failed(int error) {
  errno = error;
  return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *supported(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  return PyBool_FromLong(slots_supported());
}

static PyObject *install(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  const int error = hooks_install();
  if (error)
    return failed(error);
  Py_RETURN_NONE;
}

static PyObject *remove_hooks(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  const int error = hooks_remove();
  if (error)
    return failed(error);
  Py_RETURN_NONE;
}

static PyObject *redirected(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  return PyLong_FromLong(slots_redirected());
}

static PyObject *releases(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  return PyLong_FromUnsignedLongLong(hooks_releases());
}

static PyObject *now(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  return PyLong_FromLongLong(now_ns());
}

static PyMethodDef methods[] = {
    {"supported", supported, METH_NOARGS,
     "supported() -> bool\n\nWhether releases of the GIL can be seen on this system."},
    {"install", install, METH_NOARGS,
     "install()\n\nBegins to see them; nests.\n\nRaises:\n    OSError: It is not supported, or "
     "memory could not be made writable."},
    {"remove", remove_hooks, METH_NOARGS, "remove()\n\nEnds what install() began."},
    {"redirected", redirected, METH_NOARGS,
     "redirected() -> int\n\nHow many import slots are redirected."},
    {"measure", (PyCFunction)(void (*)(void))measure, METH_FASTCALL,
     "measure(function, args, period_ns) -> dict\n\nCalls it, and returns what was seen of it."},
    {"hold", hold_for, METH_O, "hold(seconds)\n\nSleeps with the GIL."},
    {"wait", wait_for, METH_O, "wait(seconds)\n\nSleeps without the GIL."},
    {"releases", releases, METH_NOARGS,
     "releases() -> int\n\nHow often this thread was seen to release the GIL."},
    {"now", now, METH_NOARGS, "now() -> int\n\nNanoseconds of the trace's clock."},
    {"audit_start", audit_start, METH_O,
     "audit_start(records)\n\nBegins to count calls; `records`: and to keep spans.\n\nRaises:\n    "
     "RuntimeError: That is being done."},
    {"audit_stop", audit_stop, METH_NOARGS,
     "audit_stop() -> list\n\nEnds it, and returns what was counted of each callable and thread."},
    {"spans", audit_spans, METH_NOARGS, "spans() -> list\n\nWhat was recorded of each thread."},
#if PY_VERSION_HEX >= 0x030c0000
    {"on_call", (PyCFunction)(void (*)(void))on_call, METH_FASTCALL, "For CALL."},
    {"on_return", (PyCFunction)(void (*)(void))on_return, METH_FASTCALL, "For C_RETURN, C_RAISE."},
    {"on_enter", (PyCFunction)(void (*)(void))on_enter, METH_FASTCALL, "For PY_START and such."},
    {"on_leave", (PyCFunction)(void (*)(void))on_leave, METH_FASTCALL, "For PY_RETURN and such."},
#else
    {"on_thread", (PyCFunction)(void (*)(void))on_thread, METH_FASTCALL,
     "For threading.setprofile(): counts the thread's calls."},
#endif
    {0},
};

static int setup(PyObject *module) {
  (void)module;
  static bool done;
  if (done)
    return 0;
  const int error = threads_setup();
  if (error) {
    failed(error);
    return -1;
  }
  hooks_setup();
  done = true;
  return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, setup},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0},
};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "hwsim.proof._trace",
                                 .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC PyInit__trace(void);
PyMODINIT_FUNC PyInit__trace(void) { return PyModuleDef_Init(&definition); }
