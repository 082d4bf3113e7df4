/* Models in Python: nested tuples, in the order of the structures in hwsim/model.h.
 *
 *   model     (name, channels, big_endian, registers, memories, fifos, rules, claims, outputs)
 *   register  (name, address, bits, access, reset_value, writable, description, fields, role,
 *              primary)
 *   field     (name, lsb, width, flags, onread, onwrite, description, enumerators, constraint,
 *              lowest, highest)
 *   memory    (name, address, bits, words, access, description)
 *   fifo      (name, depth, data, pops, pushes, level, empty, full, overflow, underflow)
 *   rule      (when, on, conditions, delay_ns, jitter_ns, ignore_again, then, target, source,
 *              fifo, written, value, channel, code)
 *   condition (part, comparison, value, than, mask, is_signed)
 *   claim     (on, reads, writes)
 *   output    (name, source, code, range)
 *
 * Accesses, effects and roles are numbers, flags bits: readable, writable, pulse, once. A
 * description is None or a string, and so is each name in a FIFO or a rule. Enumerators are (name,
 * value, description). */
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
  std::vector<hwsim_fifo> fifos;
  std::vector<hwsim_rule> rules;
  std::vector<hwsim_claim> claims;
  std::vector<hwsim_output> outputs;
  std::deque<std::vector<hwsim_condition>> conditions;
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
    int onread = 0, onwrite = 0, constraint = 0;
    unsigned long long lowest = 0, highest = 0;
    if (!PyArg_ParseTuple(item, "sbbIiizOiKK", &one.name, &one.lsb, &one.width, &flags, &onread,
                          &onwrite, &one.description, &enumerators, &constraint, &lowest, &highest))
      return false;
    one.constraint = static_cast<hwsim_constraint>(constraint);
    one.lowest = lowest;
    one.highest = highest;
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
    int access = 0, role = 0;
    PyObject *fields = nullptr, *primary = nullptr;
    if (!PyArg_ParseTuple(item, "sIIiKKzOiO", &one.name, &one.address, &one.bits, &access, &reset,
                          &writable, &one.description, &fields, &role, &primary))
      return false;
    one.is_alias = primary != Py_None;
    if (one.is_alias)
      one.primary = static_cast<uint32_t>(PyLong_AsUnsignedLong(primary));
    if (PyErr_Occurred())
      return false;
    one.role = static_cast<hwsim_role>(role);
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

static bool parse_fifos(PyObject *list, description *whole) {
  return each(list, "fifos", [whole](PyObject *item) {
    hwsim_fifo one{};
    int pops = 0, pushes = 0;
    if (!PyArg_ParseTuple(item, "sIzppzzzzz", &one.name, &one.depth, &one.data, &pops, &pushes,
                          &one.level, &one.empty, &one.full, &one.overflow, &one.underflow))
      return false;
    one.pops = pops;
    one.pushes = pushes;
    whole->fifos.push_back(one);
    return true;
  });
}

static bool parse_conditions(PyObject *list, std::vector<hwsim_condition> *out) {
  return each(list, "conditions", [out](PyObject *item) {
    hwsim_condition one{};
    int comparison = 0, is_signed = 0;
    unsigned long long value = 0, mask = 0;
    if (!PyArg_ParseTuple(item, "ziKzKp", &one.part, &comparison, &value, &one.than, &mask,
                          &is_signed))
      return false;
    one.comparison = static_cast<hwsim_comparison>(comparison);
    one.value = value;
    one.mask = mask;
    one.is_signed = is_signed;
    out->push_back(one);
    return true;
  });
}

static bool parse_rules(PyObject *list, description *whole) {
  return each(list, "rules", [whole](PyObject *item) {
    hwsim_rule one{};
    int when = 0, ignore = 0, then = 0, written = 0, code = 0;
    PyObject *conditions = nullptr;
    unsigned long long value = 0;
    long long delay = 0, jitter = 0;
    if (!PyArg_ParseTuple(item, "izOLLpizzzpKIi", &when, &one.on, &conditions, &delay, &jitter,
                          &ignore, &then, &one.target, &one.source, &one.fifo, &written, &value,
                          &one.channel, &code))
      return false;
    whole->conditions.emplace_back();
    if (!parse_conditions(conditions, &whole->conditions.back()))
      return false;
    one.conditions = whole->conditions.back().data();
    one.condition_count = whole->conditions.back().size();
    one.when = static_cast<hwsim_when>(when);
    one.delay_ns = delay;
    one.jitter_ns = jitter;
    one.ignore_again = ignore;
    one.then = static_cast<hwsim_then>(then);
    one.written = written;
    one.value = value;
    one.code = static_cast<hwsim_code>(code);
    whole->rules.push_back(one);
    return true;
  });
}

static bool parse_claims(PyObject *list, description *whole) {
  return each(list, "claims", [whole](PyObject *item) {
    hwsim_claim one{};
    int reads = 0, writes = 0;
    if (!PyArg_ParseTuple(item, "spp", &one.on, &reads, &writes))
      return false;
    one.reads = reads;
    one.writes = writes;
    whole->claims.push_back(one);
    return true;
  });
}

static bool parse_outputs(PyObject *list, description *whole) {
  return each(list, "outputs", [whole](PyObject *item) {
    hwsim_output one{};
    int code = 0;
    if (!PyArg_ParseTuple(item, "ssid", &one.name, &one.source, &code, &one.range_v))
      return false;
    one.code = static_cast<hwsim_code>(code);
    whole->outputs.push_back(one);
    return true;
  });
}

static bool parse(PyObject *tuple, description *out) {
  PyObject *registers = nullptr, *memories = nullptr, *fifos = nullptr, *rules = nullptr,
           *claims = nullptr, *outputs = nullptr;
  int big_endian = 0;
  hwsim_model *model = &out->model;
  if (!PyTuple_Check(tuple))
    return arguments::fail(PyExc_TypeError, "description", "a tuple", tuple);
  if (!PyArg_ParseTuple(tuple, "sIpOOOOOO", &model->name, &model->channels, &big_endian, &registers,
                        &memories, &fifos, &rules, &claims, &outputs) ||
      !parse_registers(registers, out) || !parse_memories(memories, out) ||
      !parse_fifos(fifos, out) || !parse_rules(rules, out) || !parse_claims(claims, out) ||
      !parse_outputs(outputs, out))
    return false;
  model->big_endian = big_endian;
  model->registers = out->registers.data();
  model->register_count = out->registers.size();
  model->memories = out->memories.data();
  model->memory_count = out->memories.size();
  model->fifos = out->fifos.data();
  model->fifo_count = out->fifos.size();
  model->rules = out->rules.data();
  model->rule_count = out->rules.size();
  model->claims = out->claims.data();
  model->claim_count = out->claims.size();
  model->outputs = out->outputs.data();
  model->output_count = out->outputs.size();
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
  using number = unsigned long long;
  return Py_BuildValue(
      "(sIIIiizNiKK)", one.name, one.lsb, one.width, flags, one.onread, one.onwrite,
      one.description, tuple_of(one.enumerators, one.enumerator_count, describe_enumerator),
      one.constraint, static_cast<number>(one.lowest), static_cast<number>(one.highest));
}

static PyObject *describe_register(const hwsim_register &one) {
  return Py_BuildValue("(sIIiKKzNiN)", one.name, one.address, one.bits, one.access,
                       static_cast<unsigned long long>(one.reset_value),
                       static_cast<unsigned long long>(one.writable), one.description,
                       tuple_of(one.fields, one.field_count, describe_field), one.role,
                       one.is_alias ? PyLong_FromUnsignedLong(one.primary) : Py_NewRef(Py_None));
}

static PyObject *describe_memory(const hwsim_memory &one) {
  return Py_BuildValue("(sIIIiz)", one.name, one.address, one.bits, one.words, one.access,
                       one.description);
}

static PyObject *describe_fifo(const hwsim_fifo &one) {
  return Py_BuildValue("(sIzNNzzzzz)", one.name, one.depth, one.data, PyBool_FromLong(one.pops),
                       PyBool_FromLong(one.pushes), one.level, one.empty, one.full, one.overflow,
                       one.underflow);
}

static PyObject *describe_condition(const hwsim_condition &one) {
  using number = unsigned long long;
  return Py_BuildValue("(ziKzKN)", one.part, one.comparison, static_cast<number>(one.value),
                       one.than, static_cast<number>(one.mask), PyBool_FromLong(one.is_signed));
}

static PyObject *describe_rule(const hwsim_rule &one) {
  using number = unsigned long long;
  return Py_BuildValue("(izNLLNizzzNKIi)", one.when, one.on,
                       tuple_of(one.conditions, one.condition_count, describe_condition),
                       static_cast<long long>(one.delay_ns), static_cast<long long>(one.jitter_ns),
                       PyBool_FromLong(one.ignore_again), one.then, one.target, one.source,
                       one.fifo, PyBool_FromLong(one.written), static_cast<number>(one.value),
                       one.channel, one.code);
}

static PyObject *describe_claim(const hwsim_claim &one) {
  return Py_BuildValue("(sNN)", one.on, PyBool_FromLong(one.reads), PyBool_FromLong(one.writes));
}

static PyObject *describe_output(const hwsim_output &one) {
  return Py_BuildValue("(ssid)", one.name, one.source, one.code, one.range_v);
}

static PyObject *describe(const hwsim_model &model) {
  return Py_BuildValue("(sINNNNNNN)", model.name, model.channels, PyBool_FromLong(model.big_endian),
                       tuple_of(model.registers, model.register_count, describe_register),
                       tuple_of(model.memories, model.memory_count, describe_memory),
                       tuple_of(model.fifos, model.fifo_count, describe_fifo),
                       tuple_of(model.rules, model.rule_count, describe_rule),
                       tuple_of(model.claims, model.claim_count, describe_claim),
                       tuple_of(model.outputs, model.output_count, describe_output));
}

} // namespace models
#endif
