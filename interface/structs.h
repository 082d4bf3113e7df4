/* The structures of hwsim.h in Python: tuples, or a dictionary; copies, which no pointer outlives.
 * Each crosses by one list of its members, in the order that Python has them, and both conversions
 * are generated from it, by the type of each member. A list that misses a member does not compile.
 *
 * X(member)   crosses by its type
 * Y(member)   otherwise: what STRUCT() says
 */
#ifndef HWSIM_STRUCTS_H
#define HWSIM_STRUCTS_H

#include <algorithm>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

/* clang-format off */
#define HWSIM_CONFIG_MEMBERS(X, Y)                                                                 \
  X(name) X(latency_ns) X(jitter_ns) X(bandwidth_bps) X(channels) X(seed) X(clock) X(clock_scale)  \
  X(clock_name) X(timeout_ns) X(sample_rate_hz) X(range_v) X(noise_v) X(timer_ns)
#define HWSIM_LISTING_MEMBERS(X, Y) X(name) X(in_use)
#define HWSIM_REGISTER_MEMBERS(X, Y)                                                               \
  X(name) X(address) X(access) X(reset_value) X(writable) X(description) Y(role) Y(bits)           \
  Y(fields) Y(field_count) Y(is_alias) Y(primary)
#define HWSIM_SIGNAL_MEMBERS(X, Y)                                                                 \
  X(waveform) X(amplitude_v) X(offset_v) X(frequency_hz) X(phase_turns) X(noise_v) X(gain_error)   \
  X(offset_error_v) X(inl_lsb) X(range_v) X(rate_hz)
#define HWSIM_OUTPUT_SCALE_MEMBERS(X, Y) X(lowest_v) X(highest_v) X(bits)
#define HWSIM_CONNECTION_MEMBERS(X, Y)                                                             \
  X(output) X(gain) X(offset_v) Y(delay_ns) X(tau_s) X(noise_v)
#define HWSIM_LINK_MEMBERS(X, Y)                                                                   \
  X(from) X(output) X(to) X(channel) X(gain) X(offset_v) Y(delay_ns) X(tau_s) X(noise_v)           \
  X(has_function)
#define HWSIM_FAULT_MEMBERS(X, Y)                                                                  \
  X(kind) X(at) X(count) X(probability) Y(extra_ns) X(address) X(mask) X(value)
#define HWSIM_STREAM_CONFIG_MEMBERS(X, Y)                                                          \
  X(rate_hz) Y(channels) Y(channel_count) X(buffer) X(total) X(first_index) X(overrun)
#define HWSIM_BLOCK_MEMBERS(X, Y) X(first_index) X(count) X(lost)
#define HWSIM_STREAM_STATUS_MEMBERS(X, Y) X(available) X(read) X(lost) X(running)
#define HWSIM_CALIBRATION_MEMBERS(X, Y)                                                            \
  X(amplitude_v) X(offset_v) X(phase_turns) X(cycles) X(gain_error) X(sinad_db) X(enob)            \
  X(inl_lsb) X(dnl_lsb) X(missing_codes) X(reference_v) X(overdrive_v)
#define HWSIM_FIRMWARE_OPTIONS_MEMBERS(X, Y) X(verify) X(retries) X(exclusive)
#define HWSIM_EVENT_MEMBERS(X, Y) X(kind) Y(time_ns) X(sequence) X(channel) X(value) X(lost)
#define HWSIM_SUBSCRIPTION_STATUS_MEMBERS(X, Y) X(queued) X(delivered) X(lost) X(open)
#define HWSIM_OPERATION_MEMBERS(X, Y) X(noun) X(name) X(waits) X(bytes) Y(causes) X(summary)
/* clang-format on */

namespace structs {

/* ------------------------------------------------------------------------------- one member -- */

/* A time that Python has in seconds. */
template <class Ns> struct seconds {
  Ns &ns;
};
struct event_bits {
  uint32_t bits;
};

/* Enumerations without names in the library are numbers; hwsim._kinds has names for them. */
template <class Number> static PyObject *to_python(Number value) {
  if constexpr (std::is_integral_v<Number> && std::is_unsigned_v<Number>)
    return PyLong_FromUnsignedLongLong(value);
  else
    return PyLong_FromLongLong(value);
}
static PyObject *to_python(bool value) { return PyBool_FromLong(value); }
static PyObject *to_python(double value) { return PyFloat_FromDouble(value); }
static PyObject *to_python(const char *value) { return PyUnicode_FromString(value ? value : ""); }
static PyObject *to_python(hwsim_access value) { return to_python(hwsim_access_name(value)); }
/* Made once: a thread may be called back with a million events a second. */
static PyObject *to_python(hwsim_event_kind value) {
  static const std::vector<PyObject *> names = [] {
    std::vector<PyObject *> made;
    for (int k = 0; const char *name = hwsim_event_name(static_cast<hwsim_event_kind>(k)); k++)
      made.push_back(PyUnicode_InternFromString(name));
    return made;
  }();
  return Py_XNewRef(names[static_cast<size_t>(value)]);
}
static PyObject *to_python(hwsim_waits value) { return to_python(hwsim_waits_name(value)); }
static PyObject *to_python(seconds<const int64_t> time) { return times::to_python(time.ns); }
static PyObject *to_python(event_bits causes) {
  PyObject *list = PyList_New(0);
  for (int kind = 0; list && causes.bits >> kind; kind++) {
    if (!(causes.bits >> kind & 1))
      continue;
    PyObject *name = to_python(static_cast<hwsim_event_kind>(kind));
    if (!name || PyList_Append(list, name))
      Py_CLEAR(list);
    Py_XDECREF(name);
  }
  PyObject *tuple = list ? PyList_AsTuple(list) : nullptr;
  Py_XDECREF(list);
  return tuple;
}

template <class Number>
static bool from_python(PyObject *object, const char *name, Number &value_out) {
  if constexpr (std::is_enum_v<Number>) {
    int32_t number = 0;
    bool good = arguments::convert(object, name, &number);
    value_out = static_cast<Number>(number);
    return good;
  } else {
    return arguments::convert(object, name, &value_out);
  }
}
static bool from_python(PyObject *object, const char *name, hwsim_fault_kind &kind_out) {
  std::string text;
  if (!arguments::convert(object, name, &text))
    return false;
  try {
    hwsim::check(hwsim_fault_find(text.c_str(), &kind_out));
  }
  ERRORS_LET_THREAD_END
  catch (...) {
    errors::translate();
    return false;
  }
  return true;
}
static bool from_python(PyObject *object, const char *name, seconds<int64_t> time_out) {
  return times::from_python(object, name, &time_out.ns);
}

/* ---------------------------------------------------------------------------- the structures -- */

#define STRUCT_VISIT(member) visit(#member, from.member);
#define STRUCT_SECONDS(member)                                                                     \
  visit(#member, seconds<std::remove_reference_t<decltype((from.member))>>{from.member});
#define STRUCT_EVENTS(member) visit(#member, event_bits{from.member});
#define STRUCT_ELSEWHERE(member) /* comes as an argument of its own, or not at all */
#define STRUCT_NAME(member) , member
#define STRUCT_WITHOUT_FIRST(first, ...) __VA_ARGS__
#define STRUCT_NAMES(...) STRUCT_WITHOUT_FIRST(__VA_ARGS__)

/* members() calls visit(name, member) for each; complete() compiles if there are no others. */
#define STRUCT(TYPE, MEMBERS, Y)                                                                   \
  template <class Visit> static void members(const TYPE &from, Visit visit) {                      \
    MEMBERS(STRUCT_VISIT, Y)                                                                       \
  }                                                                                                \
  template <class Visit> static void members(TYPE &from, Visit visit) { MEMBERS(STRUCT_VISIT, Y) } \
  [[maybe_unused]] static void complete(const TYPE &all) {                                         \
    [[maybe_unused]] const auto &[STRUCT_NAMES(first MEMBERS(STRUCT_NAME, STRUCT_NAME))] = all;    \
  }

STRUCT(hwsim_config, HWSIM_CONFIG_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_listing, HWSIM_LISTING_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_register, HWSIM_REGISTER_MEMBERS, STRUCT_ELSEWHERE)
STRUCT(hwsim_signal, HWSIM_SIGNAL_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_output_scale, HWSIM_OUTPUT_SCALE_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_connection, HWSIM_CONNECTION_MEMBERS, STRUCT_SECONDS)
STRUCT(hwsim_link, HWSIM_LINK_MEMBERS, STRUCT_SECONDS)
STRUCT(hwsim_fault, HWSIM_FAULT_MEMBERS, STRUCT_SECONDS)
STRUCT(hwsim_stream_config, HWSIM_STREAM_CONFIG_MEMBERS, STRUCT_ELSEWHERE)
STRUCT(hwsim_block, HWSIM_BLOCK_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_stream_status, HWSIM_STREAM_STATUS_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_calibration, HWSIM_CALIBRATION_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_firmware_options, HWSIM_FIRMWARE_OPTIONS_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_event, HWSIM_EVENT_MEMBERS, STRUCT_SECONDS)
STRUCT(hwsim_subscription_status, HWSIM_SUBSCRIPTION_STATUS_MEMBERS, STRUCT_VISIT)
STRUCT(hwsim_operation, HWSIM_OPERATION_MEMBERS, STRUCT_EVENTS)

template <class Struct> static Py_ssize_t count_of(Struct &value) {
  Py_ssize_t count = 0;
  members(value, [&count](const char *, auto &&) { count++; });
  return count;
}

/* ------------------------------------------------------------------------------- to Python -- */

/* Fills a new tuple; drops it if something fails. */
template <class Struct> static PyObject *fill(PyObject *tuple, const Struct &value) {
  Py_ssize_t i = 0;
  bool good = tuple;
  members(value, [&](const char *, auto &&member) {
    PyObject *item = good ? to_python(member) : nullptr;
    good = item;
    if (tuple)
      PyTuple_SET_ITEM(tuple, i++, item);
  });
  if (!good)
    Py_CLEAR(tuple);
  return tuple;
}

template <class Struct> static PyObject *as_object(const Struct &value) {
  return fill(PyTuple_New(count_of(value)), value);
}

/* An hwsim.events.Event: a named tuple, made without running Python code. It is made as a tuple, by
 * whatever a tuple needs in this version of Python, and then turned into an Event, which has
 * nothing that a tuple has not. */
static PyObject *as_object(const hwsim_event &event) {
  static errors::factory event_class("hwsim.events", "Event", &PyTuple_Type);
  PyTypeObject *type = reinterpret_cast<PyTypeObject *>(event_class.get());
  PyObject *made = type ? fill(PyTuple_New(count_of(event)), event) : nullptr;
  if (made)
    Py_SET_TYPE(made, reinterpret_cast<PyTypeObject *>(Py_NewRef(type)));
  return made;
}

static PyObject *as_object(const hwsim_config &config) {
  PyObject *dictionary = PyDict_New();
  members(config, [&dictionary](const char *name, auto &&member) {
    PyObject *item = dictionary ? to_python(member) : nullptr;
    if (!item || PyDict_SetItemString(dictionary, name, item))
      Py_CLEAR(dictionary);
    Py_XDECREF(item);
  });
  return dictionary;
}

template <class Struct> static PyObject *as_list(const std::vector<Struct> &values) {
  PyObject *list = PyList_New(static_cast<Py_ssize_t>(values.size()));
  for (size_t i = 0; list && i < values.size(); i++) {
    PyObject *item = as_object(values[i]);
    if (item)
      PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), item);
    else
      Py_CLEAR(list);
  }
  return list;
}

/* ----------------------------------------------------------------------------- from Python -- */

/* Python's name of a member: without its unit. */
static std::string without_unit(std::string name) {
  for (const char *unit : {"_ns", "_hz", "_v", "_turns", "_lsb"}) {
    size_t start = name.size() - std::min(name.size(), std::strlen(unit));
    if (name.compare(start, std::string::npos, unit) == 0)
      return name.substr(0, start);
  }
  return name;
}

template <class Struct> static std::vector<std::string> names_of(Struct &value) {
  std::vector<std::string> names;
  members(value, [&names](const char *name, auto &&) { names.push_back(without_unit(name)); });
  return names;
}

/* False with a Python error that names the member. */
template <class Struct>
static bool from_tuple(PyObject *tuple, const char *name, Struct *value_out) {
  static const std::vector<std::string> names = names_of(*value_out); /* made once */
  Py_ssize_t count = count_of(*value_out);
  if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) != count) {
    std::string what = "a tuple of " + std::to_string(count) + " values";
    return arguments::fail(PyExc_TypeError, name, what.c_str(), tuple);
  }
  Py_ssize_t i = 0;
  bool good = true;
  members(*value_out, [&](const char *, auto &&slot) {
    const char *member = names[static_cast<size_t>(i)].c_str();
    PyObject *item = PyTuple_GET_ITEM(tuple, i++);
    good = good && from_python(item, member, slot);
  });
  return good;
}

} // namespace structs

/* What a failed read of a stream left in the caller's memory, or None. */
static PyObject *partial_to_python(const hwsim_block *partial) {
  return partial ? structs::as_object(*partial) : Py_NewRef(Py_None);
}
#endif
