/* errors.i: turns every C++ exception into a Python one. Reusable: it names nothing of any library.
 *
 * A module with exception classes of its own defines ERRORS_OWN before this file: the catch clauses
 * for them, most derived first, each calling errors::raise() or errors::raise_new().
 * ERRORS_CATCH ends the try block of an %exception (gil.i does that). It runs with the GIL held.
 *
 *   std::bad_alloc         MemoryError       std::out_of_range, length_error     IndexError
 *   std::overflow_error    OverflowError     std::invalid_argument, domain_error,
 *   std::bad_cast          TypeError             range_error                     ValueError
 *   any other std::exception: RuntimeError(what())
 *   anything else:            RuntimeError("Unexpected exception")
 *
 * A Python exception that comes up where nobody can receive it, such as in a callback on a native
 * thread, can be deferred: the next call of the module raises it, instead of doing anything, or one
 * that waits already, if the library asks while it waits whether to go on (gil.i). That is any call but a destructor, which must do its work; for others say
 *
 *   %errors_deferred(NAME)         a call of NAME may raise a deferred exception
 *   %errors_never_deferred(NAME)   it may not: what it does must not be left out, such as close()
 *
 * NAME is the C++ name, such as vendor::device::close. Define ERRORS_DEFERRED_BY_DEFAULT, before
 * this file, as false where it is simpler to name those that may.
 */
#ifndef KIT_ERRORS_I
#define KIT_ERRORS_I

%include "module.i"

%{
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <typeinfo>
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

#ifndef ERRORS_OWN
#define ERRORS_OWN
#endif

/* glibc ends a thread by an exception of its own, which must reach the bottom of the stack. */
#ifdef __GLIBCXX__
#define ERRORS_LET_THREAD_END catch (abi::__forced_unwind &) { throw; }
#else
#define ERRORS_LET_THREAD_END
#endif
#ifndef ERRORS_DEFERRED_BY_DEFAULT
#define ERRORS_DEFERRED_BY_DEFAULT true
#endif
#define ERRORS_CATCH ERRORS_LET_THREAD_END catch (...) { errors::translate(); SWIG_fail; }

namespace errors {

/* Text from C++ may be cut anywhere or hold anything. */
static PyObject *text(const char *utf8) {
  return PyUnicode_DecodeUTF8(utf8, static_cast<Py_ssize_t>(std::strlen(utf8)), "replace");
}

static void raise(PyObject *type, const char *message) {
  PyObject *value = text(message);
  if (value)
    PyErr_SetObject(type, value);
  Py_XDECREF(value);
}

/* A Python callable that makes exceptions or other objects, looked up at its first use and kept for
 * good. With `base` it must be a class whose objects have just what those of `base` have. */
class factory {
public:
  constexpr factory(const char *module, const char *name, PyTypeObject *base = nullptr)
      : module_(module), name_(name), base_(base) {}

  PyObject *get() { /* a borrowed reference, or NULL with an error set */
    PyObject *found = found_.load(std::memory_order_acquire);
    if (found)
      return found;
    PyObject *module = PyImport_ImportModule(module_);
    PyObject *made = module ? PyObject_GetAttrString(module, name_) : nullptr;
    Py_XDECREF(module);
    if (made && !is_good(made))
      Py_CLEAR(made);
    if (made && !found_.compare_exchange_strong(found, made)) {
      Py_DECREF(made); /* another thread was faster */
      return found;
    }
    return made;
  }

private:
  bool adds_nothing(PyObject *made) const {
    PyTypeObject *type = reinterpret_cast<PyTypeObject *>(made);
    return PyType_Check(made) && PyType_IsSubtype(type, base_) &&
           type->tp_basicsize == base_->tp_basicsize && type->tp_itemsize == base_->tp_itemsize &&
           type->tp_dictoffset == base_->tp_dictoffset &&
           type->tp_weaklistoffset == base_->tp_weaklistoffset && type->tp_free == base_->tp_free;
  }

  bool is_good(PyObject *made) const { /* or TypeError */
    if (base_ ? adds_nothing(made) : PyCallable_Check(made))
      return true;
    std::string what = base_ ? std::string("a class of ") + base_->tp_name + "s with __slots__ = ()"
                             : "callable";
    PyErr_Format(PyExc_TypeError, "%s.%s must be %s, got %.200R", module_, name_, what.c_str(),
                 made);
    return false;
  }

  const char *module_, *name_;
  PyTypeObject *base_;
  std::atomic<PyObject *> found_{nullptr};
};

/* Raises what the factory returns for these arguments, given as to Py_BuildValue("(...)"). */
static void raise_new(factory &make, const char *format, ...) {
  PyObject *callable = make.get();
  if (!callable)
    return;
  va_list list;
  va_start(list, format);
  PyObject *arguments = Py_VaBuildValue(format, list);
  va_end(list);
  PyObject *value = arguments ? PyObject_CallObject(callable, arguments) : nullptr;
  Py_XDECREF(arguments);
  if (value)
    PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(value)), value);
  Py_XDECREF(value);
}

/* The Python error that is set, as an object with its traceback; it is set no more. */
static PyObject *take() {
#if PY_VERSION_HEX >= 0x030C0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback)
    PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
#endif
}

static void set(PyObject *exception) { /* takes over the reference */
  PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(exception)), exception);
  Py_DECREF(exception);
}

static std::atomic<PyObject *> deferred{nullptr};
static std::atomic<int> deferring{0}; /* how many there are that may defer one */

/* Keeps an exception, whose reference it takes over, for a call. If one is waiting already, it
 * stays the one, and this is reported as unraisable. */
static void defer(PyObject *exception, PyObject *where) {
  PyObject *none = nullptr;
  if (deferred.compare_exchange_strong(none, exception))
    return;
  set(exception);
  PyErr_WriteUnraisable(where);
}

/* The exception that waits, or null. Needs no GIL. */
static PyObject *claim() {
  return deferred.load(std::memory_order_relaxed) ? deferred.exchange(nullptr) : nullptr;
}

static bool raise_deferred() {
  PyObject *exception = claim();
  if (exception)
    set(exception);
  return exception;
}

/* Which calls raise it is known when they are compiled: a wrapper asks with its declaration as SWIG
 * spells it, "vendor::device::read(unsigned int)", of which the name is what counts. */
enum class rule { unsaid, raises, never };
template <uint64_t Name> constexpr rule deferral = rule::unsaid;

constexpr uint64_t name(const char *declaration) { /* FNV-1a */
  uint64_t hash = 0xCBF29CE484222325;
  for (; *declaration && *declaration != '('; declaration++)
    hash = (hash ^ static_cast<unsigned char>(*declaration)) * 0x100000001B3;
  return hash;
}

constexpr bool is_destructor(const char *declaration) {
  for (; *declaration && *declaration != '('; declaration++)
    if (*declaration == '~')
      return true;
  return false;
}

constexpr bool may_raise(rule said, bool destructor) {
  return said == rule::unsaid ? ERRORS_DEFERRED_BY_DEFAULT && !destructor : said == rule::raises;
}
#define ERRORS_MAY_RAISE(DECLARATION)                                                              \
  errors::may_raise(errors::deferral<errors::name(DECLARATION)>,                                   \
                    errors::is_destructor(DECLARATION))

/* Sets the Python error for the C++ exception that is being handled. */
static void translate() {
  if (PyErr_Occurred()) /* Python raised it: a signal handler, or a callback */
    return;
  try {
    throw;
  }
  ERRORS_OWN
  catch (const std::bad_alloc &) { PyErr_NoMemory(); }
  catch (const std::bad_cast &e) { raise(PyExc_TypeError, e.what()); }
  catch (const std::out_of_range &e) { raise(PyExc_IndexError, e.what()); }
  catch (const std::length_error &e) { raise(PyExc_IndexError, e.what()); }
  catch (const std::invalid_argument &e) { raise(PyExc_ValueError, e.what()); }
  catch (const std::domain_error &e) { raise(PyExc_ValueError, e.what()); }
  catch (const std::range_error &e) { raise(PyExc_ValueError, e.what()); }
  catch (const std::overflow_error &e) { raise(PyExc_OverflowError, e.what()); }
  catch (const std::exception &e) { raise(PyExc_RuntimeError, e.what()); }
  catch (...) { PyErr_SetString(PyExc_RuntimeError, "Unexpected exception"); }
}

} // namespace errors
%}

%define %errors_say(NAME, RULE)
%{
namespace errors {
template <> constexpr rule deferral<name(#NAME)> = rule::RULE;
}
%}
%enddef
%define %errors_deferred(NAME)
%errors_say(NAME, raises)
%enddef
%define %errors_never_deferred(NAME)
%errors_say(NAME, never)
%enddef

#endif
