/* Models in Python: nested tuples, in the order of the structures in hwsim/model.h.
 *
 *   model     (name, channels, big_endian, registers, memories)
 *   register  (name, address, bits, access, reset_value, writable, description, fields)
 *   field     (name, lsb, width, flags, onread, onwrite, description, enumerators)
 *   memory    (name, address, bits, words, access, description)
 *
 * Accesses and effects are numbers, flags bits: readable, writable, pulse, once. A description is
 * None or a string, enumerators are (name, value, description). */
#ifndef HWSIM_INTERFACE_MODEL_H
#define HWSIM_INTERFACE_MODEL_H

#include <deque>
#include <vector>

namespace models {

enum { READABLE = 1, WRITABLE = 2, PULSE = 4, ONCE = 8 };

/* A description, with what its pointers lead to; the texts are the tuple's, which must live. */
struct description {
  hwsim_model model{};
  std::vector<hwsim_register> registers;
  std::vector<hwsim_memory> memories;
  std::deque<std::vector<hwsim_field>> fields;
  std::deque<std::vector<hwsim_enumerator>> enumerators;
};

/* Calls read(item) for each item of a list or tuple; false with an error. */
template <class Read> static bool each(PyObject *items, const char *name, Read read) {
  if (!PyList_Check(items) && !PyTuple_Check(items))
    return arguments::fail(PyExc_TypeError, name, "a list or a tuple", items);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items); i++) {
    PyObject *item = PySequence_Fast_GET_ITEM(items, i);
    if (!PyTuple_Check(item))
      return arguments::fail(PyExc_TypeError, name, "a list of tuples", item);
    if (!read(item))
      return false;
  }
  return true;
}

static bool parse_enumerators(PyObject *list, std::vector<hwsim_enumerator> *out) {
  return each(list, "enumerators", [out](PyObject *item) {
    hwsim_enumerator one{};
    unsigned long long value = 0;
    if (!PyArg_ParseTuple(item, "sKz", &one.name, &value, &one.description))
      return false;
    one.value = value;
    out->push_back(one);
    return true;
  });
}

static bool parse_fields(PyObject *list, description *whole, std::vector<hwsim_field> *out) {
  return each(list, "fields", [whole, out](PyObject *item) {
    hwsim_field one{};
    PyObject *enumerators = nullptr;
    unsigned flags = 0;
    int onread = 0, onwrite = 0;
    if (!PyArg_ParseTuple(item, "sbbIiizO", &one.name, &one.lsb, &one.width, &flags, &onread,
                          &onwrite, &one.description, &enumerators))
      return false;
    one.readable = flags & READABLE;
    one.writable = flags & WRITABLE;
    one.pulse = flags & PULSE;
    one.once = flags & ONCE;
    one.onread = static_cast<hwsim_onread>(onread);
    one.onwrite = static_cast<hwsim_onwrite>(onwrite);
    whole->enumerators.emplace_back();
    if (!parse_enumerators(enumerators, &whole->enumerators.back()))
      return false;
    one.enumerators = whole->enumerators.back().data();
    one.enumerator_count = static_cast<uint32_t>(whole->enumerators.back().size());
    out->push_back(one);
    return true;
  });
}

static bool parse_registers(PyObject *list, description *whole) {
  return each(list, "registers", [whole](PyObject *item) {
    hwsim_register one{};
    unsigned long long reset = 0, writable = 0;
    int access = 0;
    PyObject *fields = nullptr;
    if (!PyArg_ParseTuple(item, "sIIiKKzO", &one.name, &one.address, &one.bits, &access, &reset,
                          &writable, &one.description, &fields))
      return false;
    one.access = static_cast<hwsim_access>(access);
    one.reset_value = reset;
    one.writable = writable;
    whole->fields.emplace_back();
    if (!parse_fields(fields, whole, &whole->fields.back()))
      return false;
    one.fields = whole->fields.back().data();
    one.field_count = static_cast<uint32_t>(whole->fields.back().size());
    whole->registers.push_back(one);
    return true;
  });
}

static bool parse_memories(PyObject *list, description *whole) {
  return each(list, "memories", [whole](PyObject *item) {
    hwsim_memory one{};
    int access = 0;
    if (!PyArg_ParseTuple(item, "sIIIiz", &one.name, &one.address, &one.bits, &one.words, &access,
                          &one.description))
      return false;
    one.access = static_cast<hwsim_access>(access);
    whole->memories.push_back(one);
    return true;
  });
}

static bool parse(PyObject *tuple, description *out) {
  PyObject *registers = nullptr, *memories = nullptr;
  int big_endian = 0;
  hwsim_model *model = &out->model;
  if (!PyTuple_Check(tuple))
    return arguments::fail(PyExc_TypeError, "description", "a tuple", tuple);
  if (!PyArg_ParseTuple(tuple, "sIpOO", &model->name, &model->channels, &big_endian, &registers,
                        &memories) ||
      !parse_registers(registers, out) || !parse_memories(memories, out))
    return false;
  model->big_endian = big_endian;
  model->registers = out->registers.data();
  model->register_count = out->registers.size();
  model->memories = out->memories.data();
  model->memory_count = out->memories.size();
  return true;
}

/* ------------------------------------------------------------------------------- to Python -- */

/* A tuple of what `make` makes of each. */
template <class Struct, class Make>
static PyObject *tuple_of(const Struct *items, size_t count, Make make) {
  PyObject *tuple = PyTuple_New(static_cast<Py_ssize_t>(count));
  for (size_t i = 0; tuple && i < count; i++) {
    PyObject *item = make(items[i]);
    if (item)
      PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), item);
    else
      Py_CLEAR(tuple);
  }
  return tuple;
}

static PyObject *describe_enumerator(const hwsim_enumerator &one) {
  return Py_BuildValue("(sKz)", one.name, static_cast<unsigned long long>(one.value),
                       one.description);
}

static PyObject *describe_field(const hwsim_field &one) {
  unsigned flags = (one.readable ? READABLE : 0) | (one.writable ? WRITABLE : 0) |
                   (one.pulse ? PULSE : 0) | (one.once ? ONCE : 0);
  return Py_BuildValue("(sIIIiizN)", one.name, one.lsb, one.width, flags, one.onread, one.onwrite,
                       one.description,
                       tuple_of(one.enumerators, one.enumerator_count, describe_enumerator));
}

static PyObject *describe_register(const hwsim_register &one) {
  return Py_BuildValue("(sIIiKKzN)", one.name, one.address, one.bits, one.access,
                       static_cast<unsigned long long>(one.reset_value),
                       static_cast<unsigned long long>(one.writable), one.description,
                       tuple_of(one.fields, one.field_count, describe_field));
}

static PyObject *describe_memory(const hwsim_memory &one) {
  return Py_BuildValue("(sIIIiz)", one.name, one.address, one.bits, one.words, one.access,
                       one.description);
}

static PyObject *describe(const hwsim_model &model) {
  return Py_BuildValue("(sINNN)", model.name, model.channels, PyBool_FromLong(model.big_endian),
                       tuple_of(model.registers, model.register_count, describe_register),
                       tuple_of(model.memories, model.memory_count, describe_memory));
}

} // namespace models
#endif
