/* The yardstick: the same calls, bound by hand, with CPython's fastest calling conventions, and the
 * GIL released around each call, and taken around each callback, as the textbook says. A callback
 * gets a struct sequence, as hwsim's gets a named tuple. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>

#include "source.h"

typedef struct device {
  PyObject_HEAD hwsim_device *handle;
  event_source *source;
  PyObject *callback;
} device;

static PyTypeObject *event_type;

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
  Py_XDECREF(((device *)self)->callback);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyObject *read_register(PyObject *self, PyObject *address_object) {
  unsigned long address = PyLong_AsUnsignedLong(address_object);
  if (address == (unsigned long)-1 && PyErr_Occurred())
    return NULL;
  uint64_t value;
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

static PyObject *advance(PyObject *self, PyObject *seconds_object) {
  double seconds = PyFloat_AsDouble(seconds_object);
  if (PyErr_Occurred())
    return NULL;
  hwsim_error error;
  Py_BEGIN_ALLOW_THREADS error =
      hwsim_clock_advance(((device *)self)->handle, llround(seconds * 1e9));
  Py_END_ALLOW_THREADS if (error) return fail();
  Py_RETURN_NONE;
}

static PyObject *as_object(const hwsim_event *event) {
  PyObject *result = PyStructSequence_New(event_type);
  if (!result)
    return NULL;
  PyObject *fields[] = {PyUnicode_InternFromString(hwsim_event_name(event->kind)),
                        PyFloat_FromDouble((double)event->time_ns / 1e9),
                        PyLong_FromUnsignedLongLong(event->sequence),
                        PyLong_FromUnsignedLong(event->channel),
                        PyFloat_FromDouble(event->value),
                        PyLong_FromUnsignedLongLong(event->lost)};
  bool good = true;
  for (Py_ssize_t i = 0; i < (Py_ssize_t)Py_ARRAY_LENGTH(fields); i++) {
    good = good && fields[i];
    PyStructSequence_SetItem(result, i, fields[i]);
  }
  if (!good)
    Py_CLEAR(result);
  return result;
}

static void call(void *callback, const hwsim_event *event) {
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *argument = as_object(event);
  PyObject *result = argument ? PyObject_CallOneArg(callback, argument) : NULL;
  if (!result)
    PyErr_WriteUnraisable(callback);
  Py_XDECREF(result);
  Py_XDECREF(argument);
  PyGILState_Release(state);
}

static PyObject *on_event(PyObject *self_object, PyObject *callback) {
  device *self = (device *)self_object;
  Py_XSETREF(self->callback, Py_NewRef(callback));
  if (event_source_new(self->handle, call, NULL, callback, &self->source))
    return fail();
  Py_RETURN_NONE;
}

static PyObject *close_device(PyObject *self_object, PyObject *nothing) {
  device *self = (device *)self_object;
  (void)nothing;
  Py_BEGIN_ALLOW_THREADS event_source_free(self->source);
  Py_END_ALLOW_THREADS self->source = NULL;
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"read_register", read_register, METH_O, NULL},
    {"write_register", (PyCFunction)(void (*)(void))write_register, METH_FASTCALL, NULL},
    {"advance", advance, METH_O, NULL},
    {"on_event", on_event, METH_O, NULL},
    {"close", close_device, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};
static PyType_Slot slots[] = {{Py_tp_init, device_init},
                              {Py_tp_dealloc, device_dealloc},
                              {Py_tp_methods, methods},
                              {0, NULL}};
static PyType_Spec spec = {.name = "handwritten_peer.Device",
                           .basicsize = sizeof(device),
                           .flags = Py_TPFLAGS_DEFAULT,
                           .slots = slots};

static PyStructSequence_Field event_fields[] = {
    {"kind", NULL},  {"time_s", NULL}, {"sequence", NULL}, {"channel", NULL},
    {"value", NULL}, {"lost", NULL},   {NULL, NULL}};
static PyStructSequence_Desc event_description = {
    .name = "handwritten_peer.Event", .fields = event_fields, .n_in_sequence = 6};

static int execute(PyObject *module) {
  event_type = PyStructSequence_NewType(&event_description);
  if (!event_type)
    return -1;
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
