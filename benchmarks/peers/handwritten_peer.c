/* The yardstick: the same two calls, bound by hand, with CPython's fastest calling conventions, and
 * the GIL released around each call as the textbook says. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "hwsim/hwsim.h"

typedef struct device {
  PyObject_HEAD hwsim_device *handle;
} device;

static PyObject *fail(void) {
  return PyErr_Format(PyExc_RuntimeError, "%s", hwsim_error_last()->message);
}

static int device_init(PyObject *self, PyObject *arguments, PyObject *keywords) {
  const char *uri;
  (void)keywords;
  if (!PyArg_ParseTuple(arguments, "s", &uri))
    return -1;
  if (hwsim_device_open(uri, &((device *)self)->handle)) {
    fail();
    return -1;
  }
  return 0;
}

static void device_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  hwsim_device_free(((device *)self)->handle);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyObject *read_register(PyObject *self, PyObject *address_object) {
  unsigned long address = PyLong_AsUnsignedLong(address_object);
  if (address == (unsigned long)-1 && PyErr_Occurred())
    return NULL;
  uint32_t value;
  hwsim_error error;
  Py_BEGIN_ALLOW_THREADS error =
      hwsim_register_read(((device *)self)->handle, (uint32_t)address, NULL, &value);
  Py_END_ALLOW_THREADS return error ? fail() : PyLong_FromUnsignedLong(value);
}

static PyObject *write_register(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
  if (count != 2)
    return PyErr_Format(PyExc_TypeError, "write_register() takes 2 arguments, got %zd", count);
  unsigned long address = PyLong_AsUnsignedLong(arguments[0]);
  unsigned long value = PyLong_AsUnsignedLong(arguments[1]);
  if (PyErr_Occurred())
    return NULL;
  hwsim_error error;
  Py_BEGIN_ALLOW_THREADS error =
      hwsim_register_write(((device *)self)->handle, (uint32_t)address, (uint32_t)value, NULL);
  Py_END_ALLOW_THREADS if (error) return fail();
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"read_register", read_register, METH_O, NULL},
    {"write_register", (PyCFunction)(void (*)(void))write_register, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL}};
static PyType_Slot slots[] = {{Py_tp_init, device_init},
                              {Py_tp_dealloc, device_dealloc},
                              {Py_tp_methods, methods},
                              {0, NULL}};
static PyType_Spec spec = {.name = "handwritten_peer.Device",
                           .basicsize = sizeof(device),
                           .flags = Py_TPFLAGS_DEFAULT,
                           .slots = slots};

static int execute(PyObject *module) {
  PyObject *type = PyType_FromSpec(&spec);
  int result = type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
  Py_XDECREF(type);
  return result;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute},
#ifdef Py_GIL_DISABLED
                                          {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                                          {0, NULL}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "handwritten_peer",
                             .m_slots = module_slots};

PyMODINIT_FUNC PyInit_handwritten_peer(void) { return PyModuleDef_Init(&module); }
