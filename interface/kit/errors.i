/* errors.i: turns every C++ exception into a Python one. Reusable: it names nothing of any library.
 *
 *   std::bad_alloc         MemoryError       std::out_of_range, length_error     IndexError
 *   std::overflow_error    OverflowError     std::invalid_argument, domain_error,
 *   std::bad_cast          TypeError             range_error                     ValueError
 *   any other std::exception: RuntimeError(what())
 *   anything else:            RuntimeError("Unexpected exception")
 *
 *   %error_class(NAME, BASES...)     an exception class of the module; its bases are classes made
 *                                    before, builtins, or "package.name". Without: Exception
 *   %error_from(CPPTYPE, CLASS)      a C++ exception becomes one of these; derived ones first
 *
 * In C++ the class is python_errors::NAME. A module whose exceptions take more than a message
 * defines ERRORS_OWN: the catch clauses for them, most derived first, each calling errors::raise()
 * or errors::raise_new().
 *
 * A Python exception that comes up where nobody can receive it, such as in a callback on a native
 * thread, can be deferred: the next call of a module raises it, instead of doing anything, or one
 * that waits already, if the library asks while it waits whether to go on (gil.i). Never a destructor,
 * which must do its work, and nothing that %quick and %closes name; for others say
 *
 *   %errors_deferred(NAME)         a call of NAME may raise a deferred exception
 *   %errors_never_deferred(NAME)   it may not: what it does must not be left out
 *
 * NAME is the C++ name, such as vendor::device::close; import fails if there is no such function. Define ERRORS_DEFERRED_BY_DEFAULT as false
 * where it is simpler to name those that may.
 */
#ifndef KIT_ERRORS_I
#define KIT_ERRORS_I

%include "../kit/shared.i"
%include "../kit/module.i"

%{
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <exception>
#include <map>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

/* glibc ends a thread by an exception of its own, which must reach the bottom of the stack. */
#ifdef __GLIBCXX__
#define ERRORS_LET_THREAD_END catch (abi::__forced_unwind &) { throw; }
#else
#define ERRORS_LET_THREAD_END
#endif
#define ERRORS_CATCH ERRORS_LET_THREAD_END catch (...) { errors::translate(); SWIG_fail; }

namespace errors {

/* Text from C++ may be cut anywhere or hold anything. */
[[maybe_unused]] static PyObject *text(const char *utf8) {
  return PyUnicode_DecodeUTF8(utf8, static_cast<Py_ssize_t>(std::strlen(utf8)), "replace");
}

[[maybe_unused]] static void raise(PyObject *type, const char *message) {
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
[[maybe_unused]] static void raise_new(factory &make, const char *format, ...) {
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
[[maybe_unused]] static PyObject *take() {
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

[[maybe_unused]] static void set(PyObject *exception) { /* takes over the reference */
  PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(exception)), exception);
  Py_DECREF(exception);
}

/* Keeps an exception, whose reference it takes over, for a call. If one is waiting already, it
 * stays the one, and this is reported as unraisable. */
[[maybe_unused]] static void defer(PyObject *exception, PyObject *where) {
  PyObject *none = nullptr;
  if (shared::the->deferred.compare_exchange_strong(none, exception))
    return;
  set(exception);
  PyErr_WriteUnraisable(where);
}

/* The exception that waits, or null. Needs no GIL. */
[[maybe_unused]] static PyObject *claim() {
  std::atomic<PyObject *> &deferred = shared::the->deferred;
  return deferred.load(std::memory_order_relaxed) ? deferred.exchange(nullptr) : nullptr;
}

[[maybe_unused]] static bool raise_deferred() {
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

/* Names that something is said of. A declaration that none of them fits, by its full name or, after
 * an asterisk, its last part, shows that one was not meant so: without spaces and template arguments. */
[[maybe_unused]] static std::map<uint64_t, std::string> &said() {
  static std::map<uint64_t, std::string> all;
  return all;
}
constexpr uint64_t plain_name(const char *declaration, bool last = false) {
  uint64_t hash = name("");
  for (int depth = 0; *declaration && *declaration != '('; declaration++) {
    char c = *declaration;
    if (last && c == ':' && depth == 0)
      hash = name("");
    else if (c != ' ' && c != '<' && depth == 0)
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    depth += (c == '<') - (c == '>');
  }
  return hash;
}
[[maybe_unused]] static void say(const char *name) {
  bool any = std::strncmp(name, "*::", 3) == 0;
  said()[plain_name(any ? name + 3 : name)] = name;
}
[[maybe_unused]] static std::set<uint64_t> &wrapped() {
  static std::set<uint64_t> all;
  return all;
}
/* A wrapper that refers to `known` is known before the module is made. */
template <uint64_t Name> struct [[gnu::visibility("hidden")]] wrapper {
  static inline const bool known = (wrapped().insert(Name), true);
};
#define ERRORS_WRAPS(DECLARATION)                                                                  \
  (void)&errors::wrapper<errors::plain_name(DECLARATION)>::known;                                  \
  (void)&errors::wrapper<errors::plain_name(DECLARATION, true)>::known

/* False with ImportError. */
[[maybe_unused]] static bool check_said(PyObject *module) {
  for (const auto &each : said())
    if (!wrapped().count(each.first)) {
      PyErr_Format(PyExc_ImportError,
                   "%s: a directive such as %%quick or %%wakes names %s, but no function of the "
                   "module has this name in C++, with its namespace and class",
                   PyModule_GetName(module), each.second.c_str());
      return false;
    }
  return true;
}

constexpr bool is_destructor(const char *declaration) {
  for (; *declaration && *declaration != '('; declaration++)
    if (*declaration == '~')
      return true;
  return false;
}

static void translate();

/* Whether Python code that a call ran has ever failed: then the call looks for its error. */
static std::atomic<bool> raised_inside{false};

/* A failure that C++ code found without the GIL; translate() raises it. */
struct failure {
  PyObject *type;
  long long code;
  std::string message;
};

/* Raises TYPE(message), with the attribute code. */
[[maybe_unused]] static void raise_status(PyObject *type, long long code, const char *message) {
  PyObject *told = text(message);
  PyObject *value = told ? PyObject_CallOneArg(type, told) : nullptr;
  PyObject *number = value ? PyLong_FromLongLong(code) : nullptr;
  if (number && !PyObject_SetAttrString(value, "code", number))
    PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(value)), value);
  Py_XDECREF(number);
  Py_XDECREF(value);
  Py_XDECREF(told);
}

/* What %error_from declares: each rethrows, and is true if it was its own. */
typedef bool translator();
[[maybe_unused]] static std::vector<translator *> &translators() {
  static std::vector<translator *> all;
  return all;
}

/* An exception class of the module. */
class made_class {
public:
  made_class(const char *name, const char *bases) : name_(name), bases_(bases) {}
  operator PyObject *() const { return made_; }

  /* When the module is made: a new reference, or null with an error. */
  PyObject *make(PyObject *module) {
    PyObject *package = PyModule_GetNameObject(module);
    PyObject *bases = package ? PyList_New(0) : nullptr;
    std::string names(bases_ && *bases_ ? bases_ : "Exception");
    for (size_t at = 0; bases && at != std::string::npos;) {
      size_t comma = names.find(',', at);
      std::string one = names.substr(at, comma == std::string::npos ? comma : comma - at);
      one.erase(0, one.find_first_not_of(" \"")).erase(one.find_last_not_of(" \"") + 1);
      PyObject *base = find(module, one);
      if (!base || PyList_Append(bases, base))
        Py_CLEAR(bases);
      Py_XDECREF(base);
      at = comma == std::string::npos ? comma : comma + 1;
    }
    PyObject *tuple = bases ? PyList_AsTuple(bases) : nullptr;
    if (tuple)
      made_ = PyErr_NewException((std::string(PyUnicode_AsUTF8(package)) + "." + name_).c_str(),
                                 tuple, nullptr);
    Py_XDECREF(tuple);
    Py_XDECREF(bases);
    Py_XDECREF(package);
    return Py_XNewRef(made_);
  }

private:
  /* A class of this module, a builtin one, or one of another module. */
  static PyObject *find(PyObject *module, const std::string &name) {
    size_t dot = name.rfind('.');
    PyObject *own = PyDict_GetItemString(PyModule_GetDict(module), name.c_str());
    if (own)
      return Py_NewRef(own);
    PyObject *from = PyImport_ImportModule(
        dot == std::string::npos ? "builtins" : name.substr(0, dot).c_str());
    PyObject *found =
        from ? PyObject_GetAttrString(from, name.c_str() + (dot == std::string::npos ? 0 : dot + 1))
             : nullptr;
    Py_XDECREF(from);
    return found;
  }

  const char *name_, *bases_;
  PyObject *made_ = nullptr;
};

} // namespace errors

namespace python_errors {} // the classes that %error_class makes
%}

%init %{
  module::finishings().push_back(errors::check_said);
%}

/* After all headers, so that what they define may come before or after this file. */
%wrapper %{
extern "C++" {

#ifndef ERRORS_OWN
#define ERRORS_OWN
#endif
#ifndef ERRORS_DEFERRED_BY_DEFAULT
#define ERRORS_DEFERRED_BY_DEFAULT true
#endif

namespace errors {

constexpr bool may_raise(rule said, bool destructor) {
  return said == rule::unsaid ? ERRORS_DEFERRED_BY_DEFAULT && !destructor : said == rule::raises;
}
#define ERRORS_MAY_RAISE(DECLARATION, RULE)                                                        \
  errors::may_raise(errors::rule::RULE == errors::rule::unsaid                                     \
                        ? errors::deferral<errors::name(DECLARATION)>                              \
                        : errors::rule::RULE,                                                      \
                    errors::is_destructor(DECLARATION))

/* Sets the Python error for the C++ exception that is being handled. */
[[maybe_unused]] static void translate() {
  if (PyErr_Occurred()) /* Python raised it: a signal handler, or a callback */
    return;
  for (translator *each : translators())
    if (each())
      return;
  try {
    throw;
  }
  ERRORS_OWN
  catch (const failure &e) { raise_status(e.type, e.code, e.message.c_str()); }
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
}
%}

%define %error_class(NAME, BASES...)
%{
namespace python_errors {
static errors::made_class NAME(#NAME, #BASES);
}
%}
%constant PyObject *NAME = python_errors::NAME.make(m);
%pythoncode %{
NAME.__module__ = __name__
%}
%enddef

%define %error_from(CPPTYPE, CLASS)
%init %{
  errors::translators().push_back([]() -> bool {
    using namespace python_errors;
    try {
      throw;
    }
    catch (const CPPTYPE &e) {
      errors::raise(CLASS, e.what());
      return true;
    }
    catch (...) {
      return false;
    }
  });
%}
%enddef

%define %errors_say(NAME, RULE)
%{
namespace errors {
template <> constexpr rule deferral<name(#NAME)> = rule::RULE;
}
%}
%init %{
  errors::say(#NAME);
%}
%enddef
%define %errors_deferred(NAME)
%errors_say(NAME, raises)
%enddef
%define %errors_never_deferred(NAME)
%errors_say(NAME, never)
%enddef

#endif
