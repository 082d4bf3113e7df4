#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#include "rows.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "hooks.h"

enum { MOST_OBJECTS = 4096 }; /* that are kept alive to be told apart; more count by their type */

void rows_forget(rows *rows) {
  for (int i = 0; i < rows->n; i++) {
    row *row = &rows->rows[i];
    Py_CLEAR(row->owner);
    Py_CLEAR(row->self);
    Py_CLEAR(row->module);
    Py_CLEAR(row->name);
    Py_CLEAR(row->label);
    Py_CLEAR(row->code);
  }
  rows->n = rows->objects_n = 0;
  if (rows->index)
    memset(rows->index, -1, (size_t)rows->index_size * sizeof *rows->index);
}

static unsigned hash(const void *key, const PyObject *self) {
  uintptr_t bits = (uintptr_t)key ^ (uintptr_t)self << 1;
  bits = (bits >> 4) ^ (bits >> 16);
  return (unsigned)bits;
}

static bool grow_index(rows *rows) {
  const int size = rows->index_size ? 2 * rows->index_size : 256;
  int *index = malloc((size_t)size * sizeof *index);
  if (!index)
    return false;
  memset(index, -1, (size_t)size * sizeof *index);
  for (int i = 0; i < rows->n; i++) {
    unsigned at = hash(rows->rows[i].key, rows->rows[i].self) & (unsigned)(size - 1);
    while (index[at] >= 0)
      at = (at + 1) & (unsigned)(size - 1);
    index[at] = i;
  }
  free(rows->index);
  rows->index = index;
  rows->index_size = size;
  return true;
}

/* An attribute that is text; runs none of the object's own __getattr__. */
static PyObject *text(PyObject *object, const char *attribute) {
  PyObject *name = PyUnicode_FromString(attribute);
  PyObject *value = NULL;
  if (name)
    value = PyType_Check(object) ? PyObject_GetAttr(object, name)
                                 : PyObject_GenericGetAttr(object, name);
  Py_XDECREF(name);
  if (value && !PyUnicode_Check(value))
    Py_CLEAR(value);
  PyErr_Clear();
  return value;
}

/* The machine code of a callable, as far as its type tells. */
static const void *code_of(PyObject *callable) {
  if (PyCFunction_Check(callable))
    return (const void *)PyCFunction_GET_FUNCTION(callable);
  if (Py_IS_TYPE(callable, &PyMethodDescr_Type) || Py_IS_TYPE(callable, &PyClassMethodDescr_Type)) {
    return (const void *)((PyMethodDescrObject *)callable)->d_method->ml_meth;
  }
  if (Py_IS_TYPE(callable, &PyWrapperDescr_Type)) {
    return ((PyWrapperDescrObject *)callable)->d_wrapped;
  }
  if (PyType_Check(callable))
    return (const void *)((PyTypeObject *)callable)->tp_new;
  return (const void *)Py_TYPE(callable)->tp_call;
}

/* What a callable is known by, and what must be kept alive for that, if anything. */
static const void *key_of(PyObject *callable, bool *object) {
  *object = false;
  if (PyCFunction_Check(callable))
    return ((PyCFunctionObject *)callable)->m_ml;
  if (Py_IS_TYPE(callable, &PyMethodDescr_Type) || Py_IS_TYPE(callable, &PyClassMethodDescr_Type)) {
    return ((PyMethodDescrObject *)callable)->d_method;
  }
  if (Py_IS_TYPE(callable, &PyWrapperDescr_Type))
    return ((PyWrapperDescrObject *)callable)->d_base;
  if (!strcmp(Py_TYPE(callable)->tp_name, "method-wrapper"))
    return Py_TYPE(callable);
  *object = true;
  return callable;
}

/* The name of the object file that has an address, up to its first dot; NULL: unknown. */
static PyObject *file_of(const void *address) {
  Dl_info info;
  if (!address || !dladdr(address, &info) || !info.dli_fname)
    return NULL;
  const char *slash = strrchr(info.dli_fname, '/');
  const char *name = slash ? slash + 1 : info.dli_fname;
  return PyUnicode_DecodeFSDefaultAndSize(name, (Py_ssize_t)strcspn(name, "."));
}

/* Whether a function is bound to something of its own, as those of pybind11 are: it is no method of
 * that type, whose name tells nobody anything. */
static bool is_hidden(PyObject *callable, PyObject *self) {
  if (PyModule_Check(self) || PyType_Check(self))
    return false;
  PyObject *name = text(callable, "__name__");
  const bool hidden = name && !PyObject_HasAttr((PyObject *)Py_TYPE(self), name);
  Py_XDECREF(name);
  return hidden;
}

static void name_row(row *row, PyObject *callable) {
  PyTypeObject *type = Py_TYPE(callable);
  if (Py_IS_TYPE(callable, &PyMethodDescr_Type) || Py_IS_TYPE(callable, &PyClassMethodDescr_Type) ||
      Py_IS_TYPE(callable, &PyWrapperDescr_Type)) {
    row->module = text((PyObject *)((PyDescrObject *)callable)->d_type, "__module__");
    row->name = text(callable, "__qualname__");
  } else if (PyCFunction_Check(callable)) {
    PyObject *self = PyCFunction_GET_SELF(callable);
    row->module = text(callable, "__module__");
    row->name = text(callable, self && is_hidden(callable, self) ? "__name__" : "__qualname__");
    if (!row->module && self) {
      PyObject *of = PyType_Check(self) ? self : (PyObject *)Py_TYPE(self);
      row->module = text(of, "__module__");
    }
  } else {
    row->module = text(callable, "__module__");
    row->name = text(callable, "__qualname__");
    if (!row->name)
      row->name = text(callable, "__name__");
  }
  if (!row->module)
    row->module = text((PyObject *)type, "__module__");
  if (!row->name)
    row->name = text((PyObject *)type, "__qualname__");
  if (!row->module)
    row->module = PyUnicode_FromString("?");
  if (!row->name)
    row->name = PyUnicode_FromString("?");
  PyErr_Clear();
}

/* The object whose method it is; NULL: none. */
static PyObject *self_of(PyObject *callable, PyObject *first) {
  if (!PyCFunction_Check(callable))
    return Py_IS_TYPE(callable, &PyMethodDescr_Type) ? first : NULL;
  PyObject *self = PyCFunction_GET_SELF(callable);
  return self && !PyModule_Check(self) && !PyType_Check(self) ? self : NULL;
}

static const char LABEL[] = "__trace_label__";

static PyObject *label_of(PyObject *self, PyObject *callable) {
  PyObject *name = text(callable, "__name__");
  PyObject *label = name ? PyObject_CallMethod(self, LABEL, "O", name) : NULL;
  Py_XDECREF(name);
  if (label && !PyUnicode_Check(label))
    Py_CLEAR(label);
  PyErr_Clear();
  return label;
}

/* Adds one that is not there; returns its place, or -1. */
static int add(rows *rows, row new) {
  if (rows->n == rows->room) {
    const int room = rows->room ? 2 * rows->room : 128;
    row *grown = realloc(rows->rows, (size_t)room * sizeof *grown);
    if (!grown)
      return -1;
    rows->rows = grown;
    rows->room = room;
  }
  if (2 * rows->n >= rows->index_size && !grow_index(rows))
    return -1;
  unsigned at = hash(new.key, new.self) & (unsigned)(rows->index_size - 1);
  while (rows->index[at] >= 0)
    at = (at + 1) & (unsigned)(rows->index_size - 1);
  rows->index[at] = rows->n;
  rows->rows[rows->n] = new;
  return rows->n++;
}

static int place_of(const rows *rows, const void *key, const PyObject *self) {
  if (!rows->index_size)
    return -1;
  unsigned at = hash(key, self) & (unsigned)(rows->index_size - 1);
  for (; rows->index[at] >= 0; at = (at + 1) & (unsigned)(rows->index_size - 1)) {
    const row *row = &rows->rows[rows->index[at]];
    if (row->key == key && row->self == self)
      return rows->index[at];
  }
  return -1;
}

static int find_callable(rows *rows, PyObject *callable, PyObject *first) {
  bool object;
  const void *key = key_of(callable, &object);
  int place = place_of(rows, key, NULL);
  if (place < 0 && object && rows->objects_n >= MOST_OBJECTS) {
    key = Py_TYPE(callable); /* too many to keep them all */
    object = false;
    place = place_of(rows, key, NULL);
  }
  if (place >= 0)
    return place;
  PyObject *self = self_of(callable, first);
  row new = {.key = key,
             .labels = self && PyObject_HasAttrString((PyObject *)Py_TYPE(self), LABEL)};
  name_row(&new, callable);
  new.own = hooks_in_interpreter(code_of(callable));
  /* A type whose author gave it no module is said to be a built-in one. */
  if (!new.own && new.module && !PyUnicode_CompareWithASCIIString(new.module, "builtins")) {
    PyObject *file = file_of(code_of(callable));
    if (file)
      Py_SETREF(new.module, file);
    PyErr_Clear();
  }
  if (object)
    new.owner = Py_NewRef(callable);
  rows->objects_n += object;
  return add(rows, new);
}

int rows_find(rows *rows, PyObject *callable, PyObject *first, bool labelled) {
  const int place = find_callable(rows, callable, first);
  if (place < 0 || !labelled || !rows->rows[place].labels)
    return place;
  PyObject *self = self_of(callable, first);
  const row *general = &rows->rows[place];
  const int known = self ? place_of(rows, general->key, self) : place;
  if (known >= 0 || rows->objects_n >= MOST_OBJECTS)
    return known >= 0 ? known : place;
  row new = {
      .key = general->key,
      .self = Py_NewRef(self),
      .owner = Py_XNewRef(general->owner),
      .module = Py_NewRef(general->module),
      .name = Py_NewRef(general->name),
      .own = general->own,
  };
  new.label = label_of(self, callable);
  rows->objects_n++;
  return add(rows, new);
}

PyObject *row_described(const row *row, long thread, int index) {
  PyObject *file = Py_NewRef(Py_None);
  int line = 0;
  if (row->code && PyCode_Check(row->code)) {
    PyCodeObject *code = (PyCodeObject *)row->code;
    Py_SETREF(file, Py_NewRef(code->co_filename));
    line = PyCode_Addr2Line(code, row->place);
  }
  return Py_BuildValue("(OOliLLLLLLKKNiOO)", row->module, row->name, thread, index,
                       (long long)row->calls, (long long)row->wall, (long long)row->sums.held,
                       (long long)row->sums.longest, (long long)row->sums.released,
                       (long long)row->sums.wait, (unsigned long long)row->sums.releases,
                       (unsigned long long)row->sums.checks, file, line,
                       row->own ? Py_True : Py_False, row->label ? row->label : Py_None);
}
