/* Behaviours in Python: methods of an object, called by their names. A device refers to the object
 * weakly, so its life is Python's business.
 *
 * What a method raises is kept here until the operation that has failed by it raises it, on
 * whatever thread that is. */
#ifndef HWSIM_BEHAVIOURS_H
#define HWSIM_BEHAVIOURS_H

#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace behaviours {

/* For a claim: the method for each access, a name or null, and the highest value. */
struct method {
  PyObject *read, *write;
  unsigned long long highest;
};

/* What a device knows of its object. Made and destroyed with the GIL. */
struct code {
  code() = default;
  ~code() {
    for (const method &each : methods) {
      Py_XDECREF(each.read);
      Py_XDECREF(each.write);
    }
    Py_XDECREF(object);
  }
  code(const code &) = delete;
  code &operator=(const code &) = delete;

  PyObject *object = nullptr; /* a weak reference */
  std::vector<method> methods;
  uint64_t resets = 0;
};

/* ------------------------------------------------------------------------------ what was raised */

struct failures {
  std::mutex mutex; /* never held while anything needs the GIL */
  uintptr_t last = 0;
  std::map<uintptr_t, std::pair<PyObject *, const code *>> known;
};
static failures &all_failures() {
  static failures *all = new failures; /* for good */
  return *all;
}

static void *keep(PyObject *exception, const code *whose) {
  failures &all = all_failures();
  std::lock_guard<std::mutex> lock(all.mutex);
  all.known[++all.last] = {exception, whose};
  return reinterpret_cast<void *>(all.last);
}

static bool raise(void *reason) {
  failures &all = all_failures();
  PyObject *exception = nullptr;
  if (reason) {
    std::lock_guard<std::mutex> lock(all.mutex);
    auto found = all.known.find(reinterpret_cast<uintptr_t>(reason));
    if (found != all.known.end()) {
      exception = found->second.first;
      all.known.erase(found);
    }
  }
  if (exception)
    errors::set(exception);
  return exception;
}

/* Of operations whose results nobody has taken. */
static void forget(const code *whose) {
  failures &all = all_failures();
  std::vector<PyObject *> dropped;
  {
    std::lock_guard<std::mutex> lock(all.mutex);
    for (auto each = all.known.begin(); each != all.known.end();) {
      bool is_own = each->second.second == whose;
      if (is_own)
        dropped.push_back(each->second.first);
      each = is_own ? all.known.erase(each) : std::next(each);
    }
  }
  for (PyObject *exception : dropped)
    Py_DECREF(exception);
}

/* ------------------------------------------------------------------------------------ the calls */

/* A call that this thread is in; calls for other devices may be around it. */
struct frame {
  PyObject *object;
  hwsim_transaction *transaction;
  size_t claim;
  const frame *outer;
};
static thread_local const frame *innermost = nullptr;

static PyObject *object_of(const code *self) { /* a new reference; null: it is gone */
  PyObject *object = nullptr;
#if PY_VERSION_HEX >= 0x030D0000
  PyWeakref_GetRef(self->object, &object);
#else
  object = PyWeakref_GetObject(self->object);
  object = object == Py_None ? nullptr : Py_NewRef(object);
#endif
  return object;
}

/* Without a value: an access that has none to return. */
static bool convert(PyObject *result, const method &one, uint64_t *value) {
  if (!value || result == Py_None)
    return true;
  uint64_t said = 0;
  if (!arguments::convert(result, "what a behaviour returns", &said))
    return false;
  if (said <= one.highest) {
    *value = said;
    return true;
  }
  PyErr_Format(PyExc_ValueError, "%U must return an integer from 0 to %llu, got %S", one.read,
               one.highest, result);
  return false;
}

static bool tell_of_resets(code *self, PyObject *object, hwsim_transaction *transaction) {
  static PyObject *on_reset = PyUnicode_InternFromString("on_reset");
  uint64_t resets = self->resets;
  (void)!hwsim_transaction_resets(transaction, &resets);
  if (resets == self->resets)
    return true;
  self->resets = resets;
  PyObject *result = PyObject_CallMethodNoArgs(object, on_reset);
  Py_XDECREF(result);
  return result;
}

static bool call_method(code *self, hwsim_transaction *transaction, size_t claim, PyObject *name,
                        uint64_t given, uint64_t *value) {
  PyObject *object = object_of(self);
  if (!object) {
    PyErr_SetString(PyExc_ReferenceError,
                    "the device whose behaviour it is does not exist any more");
    return false;
  }
  const frame own = {object, transaction, claim, innermost};
  innermost = &own;
  PyObject *result = nullptr;
  if (tell_of_resets(self, object, transaction)) {
    PyObject *number = PyLong_FromUnsignedLongLong(given);
    PyObject *arguments[] = {object, number};
    result = number ? PyObject_VectorcallMethod(name, arguments, 2, nullptr) : nullptr;
    Py_XDECREF(number);
  }
  innermost = own.outer;
  Py_DECREF(object);
  bool good = result && convert(result, self->methods[claim], value);
  Py_XDECREF(result);
  return good;
}

/* What this thread does with the GIL, which it may have. */
template <class Work> static void with_gil(Work work) {
  if (gil::is_held())
    work();
  else
    threads::with_gil(work);
}

/* Calls the method, with the GIL. Once Python is about to end, the operation is cancelled. */
static hwsim_error call(code *self, hwsim_transaction *transaction, size_t claim, PyObject *name,
                        uint64_t given, uint64_t *value) {
  hwsim_error error = name ? HWSIM_ECANCELLED : HWSIM_OK;
  if (!name)
    return error;
  with_gil([&] {
    PyObject *before = PyErr_Occurred() ? errors::take() : nullptr;
    error = HWSIM_OK;
    if (!call_method(self, transaction, claim, name, given, value)) {
      error = HWSIM_EINTERNAL;
      hwsim_transaction_fail(transaction, keep(errors::take(), self));
    }
    if (before)
      errors::set(before);
  });
  return error;
}

static hwsim_error read(void *user, hwsim_transaction *transaction, size_t claim,
                        uint64_t *value_io) {
  code *self = static_cast<code *>(user);
  return call(self, transaction, claim, self->methods[claim].read, *value_io, value_io);
}

static hwsim_error write(void *user, hwsim_transaction *transaction, size_t claim, uint64_t value) {
  code *self = static_cast<code *>(user);
  return call(self, transaction, claim, self->methods[claim].write, value, nullptr);
}

static void release(void *user) {
  code *self = static_cast<code *>(user);
  threads::with_gil([self] {
    forget(self);
    delete self;
  });
}

/* -------------------------------------------------------------------------------------- from
 * Python */

/* methods: for each claim (read, write, highest), names or None. */
static void set(hwsim::device &device, PyObject *object, PyObject *methods) {
  auto self = std::make_unique<code>();
  bool good = models::each(methods, "methods", [&](PyObject *item) {
    method one{};
    if (!PyArg_ParseTuple(item, "OOK", &one.read, &one.write, &one.highest))
      return false;
    one.read = one.read == Py_None ? nullptr : Py_NewRef(one.read);
    one.write = one.write == Py_None ? nullptr : Py_NewRef(one.write);
    self->methods.push_back(one);
    return true;
  });
  if (good && self->methods.size() != device.description().claim_count) {
    errors::raise(PyExc_ValueError, "methods must be as many as the model's claims");
    good = false;
  }
  self->object = good ? PyWeakref_NewRef(object, nullptr) : nullptr;
  if (!self->object)
    throw gil::interrupted{}; /* the Python error is set */
  threads::expect_threads();
  const hwsim_behaviour behaviour = {read, write, release, self.get()};
  device.set_behaviour(behaviour);
  self.release();
}

/* The call for this object that the thread is in; StateError. */
static const frame &frame_of(PyObject *object) {
  const frame *found = innermost;
  while (found && found->object != object)
    found = found->outer;
  if (found)
    return *found;
  errors::factory make("hwsim.errors", "StateError");
  errors::raise_new(make, "(s)",
                    "only in a behaviour, on the thread that it is called on, is there a "
                    "transaction");
  throw gil::interrupted{};
}

} // namespace behaviours
#endif
