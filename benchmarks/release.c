/* The shortest calls there are: one that releases and retakes the GIL, and one that holds it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *release(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *hold(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"release", release, METH_NOARGS, NULL},
    {"hold", hold, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "release",
                                        .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC PyInit_release(void) { return PyModuleDef_Init(&definition); }
