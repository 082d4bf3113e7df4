/* callbacks.i: Python callables that C and C++ call. Reusable: it names nothing of any library.
 *
 * A parameter that is a C function with its user pointer, or a std::function, takes a callable:
 *
 *   %calls_back((vendor_progress report, void *user), FAILED)   during the call, on its thread
 *   %keeps_callback((vendor_handler handler, void *user), FAILED)  from now on, on any thread; None
 *                                                               takes the callback away
 *   %callable(std::function<void(double)>)                      as long as the library keeps it
 *
 * Pointer and function may come in either order; the user pointer, void * or another one such as
 * char *, is the last of its type that the function gets. FAILED is what the function returns after an
 * exception, such as 1 where that ends the operation; leave it out for functions that return nothing.
 * On the thread of the call the exception comes out of the call; on a thread of the library it is
 * deferred: the next call raises it, or one that waits (errors.i, gil.i).
 *
 * What it gets is converted by values.i. It is kept, with what it refers to, until it is replaced, or
 * the object that it was given to is closed (%closes) or destroyed. What the library calls after that
 * calls nothing. A module with callbacks that stay says what stops them at exit, by CALLBACKS_STOP
 * (threads.i).
 *
 * For more, C++ code may call a callable itself: callbacks::call() on the calling thread, or, with a
 * choice of what becomes of an exception, callbacks::target. It refers to a Python object with the
 * attributes
 *
 *   callback   is called with one argument
 *   on_error   what becomes of an exception that it raises:
 *              "unraisable"   sys.unraisablehook gets it
 *              "raise"        the next call of the module raises it, or one that waits (errors.i)
 *              a callable     is called with it
 *
 * The object is held weakly, so its life is Python's business: the garbage collector sees what it
 * and its callback refer to, and nothing is called once it is gone. The GIL is taken once for a
 * batch of calls, however many:
 *
 *   static void on_sample(void *user, const sample *samples, size_t count) {
 *     size_t i = 0;
 *     static_cast<callbacks::target *>(user)->deliver(
 *         [&] { return i < count ? as_object(samples[i++]) : nullptr; });
 *   }
 *   vendor_subscribe(on_sample, new callbacks::target(object)); // delete it after the last call
 */
#ifndef KIT_CALLBACKS_I
#define KIT_CALLBACKS_I

%include "../kit/arguments.i"
%include "../kit/threads.i"
%include "../kit/values.i"

%{
#include <cstdarg>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>
#include <pthread.h>

namespace callbacks {

/* Callable, or None; otherwise false with TypeError. */
[[maybe_unused]] static bool check(PyObject *object, const char *name) {
  if (object == Py_None || PyCallable_Check(object))
    return true;
  PyErr_Format(PyExc_TypeError, "%s must be callable or None, got %.200R (%s)", name, object,
               Py_TYPE(object)->tp_name);
  return false;
}

/* Calls with arguments as to Py_BuildValue("(...)"). False: it raised, now or in a call before. */
[[maybe_unused]] static bool call(PyObject *callable, const char *format, ...) {
  gil::held held;
  if (!PyErr_Occurred()) {
    va_list list;
    va_start(list, format);
    PyObject *arguments = Py_VaBuildValue(format, list);
    va_end(list);
    PyObject *result = arguments ? PyObject_CallObject(callable, arguments) : nullptr;
    Py_XDECREF(arguments);
    Py_XDECREF(result);
  }
  bool good = !PyErr_Occurred();
  if (!good)
    errors::raised_inside = true;
  return good;
}

[[maybe_unused]] static bool is_raise(PyObject *on_error) {
  return PyUnicode_Check(on_error) && PyUnicode_CompareWithASCIIString(on_error, "raise") == 0;
}

/* Gives the exception that is set to whom `on_error` says. */
[[maybe_unused]] static void report(PyObject *callback, PyObject *on_error) {
  bool is_text = PyUnicode_Check(on_error);
  if (is_raise(on_error)) {
    errors::defer(errors::take(), callback);
    return;
  }
  if (!is_text) {
    PyObject *exception = errors::take();
    PyObject *result = PyObject_CallFunctionObjArgs(on_error, exception, nullptr);
    Py_XDECREF(result);
    Py_DECREF(exception);
    if (result)
      return;
  }
  PyErr_WriteUnraisable(callback);
}

class target {
public:
  /* Throws if the object cannot be referred to weakly; the Python error is set. */
  template <class Stop = threads::CALLBACKS_STOP_is_missing> explicit target(PyObject *object) {
    threads::require_stop<Stop>();
    gil::held held; /* code of yours may have released it */
    reference_ = PyWeakref_NewRef(object, nullptr);
    if (!reference_)
      throw std::invalid_argument("not a target");
    threads::expect_threads();
    PyObject *on_error = PyObject_GetAttrString(object, "on_error");
    raises_ = on_error && is_raise(on_error);
    shared::the->deferring += raises_;
    Py_XDECREF(on_error);
    PyErr_Clear(); /* the first batch will say so */
  }
  ~target() {
    shared::the->deferring -= raises_;
    threads::with_gil([this] { Py_DECREF(reference_); });
  }
  target(const target &) = delete;
  target &operator=(const target &) = delete;

  /* Calls the callback with what `next` returns: a new reference, until it returns null. */
  template <class Next> void deliver(Next next) const {
    threads::with_gil([&] {
      threads::thread_attachment.introduce();
      PyObject *object = get();
      if (!object)
        return;
      PyObject *callback = PyObject_GetAttrString(object, "callback");
      PyObject *on_error = callback ? PyObject_GetAttrString(object, "on_error") : nullptr;
      Py_DECREF(object); /* the batch does not keep it alive */
      while (on_error && !threads::stopped()) {
        PyObject *argument = next();
        if (!argument)
          break;
        PyObject *result = call_listed(callback, argument);
        Py_DECREF(argument);
        Py_XDECREF(result);
        if (!result)
          report(callback, on_error);
      }
      if (PyErr_Occurred())
        PyErr_WriteUnraisable(callback);
      Py_XDECREF(on_error);
      Py_XDECREF(callback);
    });
  }

private:
  static PyObject *call_listed(PyObject *callback, PyObject *argument) {
    threads::running listed(callback);
    return PyObject_CallOneArg(callback, argument);
  }

  PyObject *get() const { /* a new reference; null: it is gone */
    PyObject *object = nullptr;
#if PY_VERSION_HEX >= 0x030D0000
    PyWeakref_GetRef(reference_, &object);
#else
    object = PyWeakref_GetObject(reference_);
    object = object == Py_None ? nullptr : Py_NewRef(object);
#endif
    return object;
  }

  PyObject *reference_;
  bool raises_; /* when it was made */
};

/* ------------------------------------------------------------------------------ plain callables -- */

/* A callable that C++ keeps. */
class kept {
public:
  explicit kept(PyObject *callable) : callable_(Py_NewRef(callable)) { shared::the->deferring++; }
  ~kept() {
    shared::the->deferring--;
    threads::with_gil([this] { Py_DECREF(callable_); });
  }
  kept(const kept &) = delete;
  kept &operator=(const kept &) = delete;

  PyObject *get() const { return callable_; }

private:
  PyObject *callable_;
};

/* Those that C knows by a user pointer: a number that is never used again, so that a call that comes
 * late finds nothing. The mutex is never held while anything needs the GIL; in the child of a fork()
 * it is free. */
class [[gnu::visibility("hidden")]] registry {
public:
  typedef std::pair<const void *, std::string> slot; /* whose, and for what */

  static void *add(PyObject *callable) {
    auto made = std::make_shared<kept>(callable);
    std::lock_guard<std::mutex> lock(mutex());
    uintptr_t number = ++all().last;
    all().known[number] = std::move(made);
    return reinterpret_cast<void *>(number);
  }
  static std::shared_ptr<kept> find(void *user) {
    std::lock_guard<std::mutex> lock(mutex());
    auto found = all().known.find(reinterpret_cast<uintptr_t>(user));
    return found == all().known.end() ? nullptr : found->second;
  }
  static void remove(void *user) {
    std::shared_ptr<kept> dropped; /* after the lock */
    std::lock_guard<std::mutex> lock(mutex());
    auto found = all().known.find(reinterpret_cast<uintptr_t>(user));
    if (found != all().known.end()) {
      dropped = std::move(found->second);
      all().known.erase(found);
    }
  }
  /* This is the one in the slot from now on. */
  static void keep(const slot &where, void *user) {
    void *before = nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex());
      std::swap(all().slots[where], before);
      if (user)
        all().slots[where] = user;
      else
        all().slots.erase(where);
    }
    remove(before);
  }
  static void forget(const void *owner) {
    std::vector<void *> dropped;
    {
      std::lock_guard<std::mutex> lock(mutex());
      auto &slots = all().slots;
      for (auto at = slots.lower_bound({owner, ""}); at != slots.end() && at->first.first == owner;) {
        dropped.push_back(at->second);
        at = slots.erase(at);
      }
    }
    for (void *each : dropped)
      remove(each);
  }
  static void survive_forks() {
    pthread_atfork([] { mutex().lock(); }, [] { mutex().unlock(); }, [] { mutex().unlock(); });
  }

private:
  static std::mutex &mutex() {
    static std::mutex *mutex = new std::mutex; /* for good, as all of it */
    return *mutex;
  }
  struct content {
    uintptr_t last = 0;
    std::map<uintptr_t, std::shared_ptr<kept>> known;
    std::map<slot, void *> slots;
  };
  static content &all() {
    static content *all = new content;
    return *all;
  }
};

/* Calls; false after an exception, which is left set on the thread of a call, and deferred on one
 * of the library. */
template <int Skip, class Result, class Tuple>
static bool invoke(PyObject *callable, Tuple &all, Result *result_out) {
  bool good = false, foreign = threads::is_foreign();
  threads::with_gil([&] {
    threads::thread_attachment.introduce();
    if (PyErr_Occurred())
      return; /* an earlier one of the same call has raised */
    PyObject *list = PyList_New(0);
    PyObject *arguments = list && append<Skip>(list, all) ? PyList_AsTuple(list) : nullptr;
    PyObject *result = nullptr;
    if (arguments) {
      threads::running listed(callable);
      result = PyObject_CallObject(callable, arguments);
    }
    Py_XDECREF(arguments);
    Py_XDECREF(list);
    good = result;
    if constexpr (!std::is_void_v<Result>)
      good = result && (result == Py_None ||
                        arguments::convert(result, "the result of the callback", result_out));
    Py_XDECREF(result);
    if (!good && foreign)
      errors::defer(errors::take(), callable);
    else if (!good)
      errors::raised_inside = true;
  });
  return good;
}

template <class T> constexpr T no_value() {
  if constexpr (!std::is_void_v<T>)
    return T{};
}

/* The last of this type among these, or -1. */
template <class User, class... Arguments> constexpr int user_pointer() {
  int found = -1, at = 0;
  ((found = std::is_same_v<Arguments, User *> ? at : found, at++), ...);
  return found;
}

/* The C function that stands for a callable. */
template <class Signature, class User> struct function;
template <class Result, class... Arguments, class User>
struct function<Result (*)(Arguments...), User> {
  static constexpr int USER = user_pointer<User, Arguments...>();
  static_assert(USER >= 0, "the library must pass the user pointer back to the callback");

  template <class Failed, Failed Value> static Result call(Arguments... given) {
    std::tuple<Arguments...> all(given...);
    std::shared_ptr<kept> found = registry::find(std::get<static_cast<size_t>(USER)>(all));
    if constexpr (std::is_void_v<Result>) {
      if (found)
        invoke<USER, void, std::tuple<Arguments...>>(found->get(), all, nullptr);
    } else {
      Result result{};
      bool good = !found || invoke<USER>(found->get(), all, &result);
      return good ? result : static_cast<Result>(Value);
    }
  }
};

/* What a failed callback returns: nothing said is 0. */
constexpr long long failed() { return 0; }
template <class T> constexpr T failed(T value) { return value; }

/* A callable that a call offers to a library; taken back unless it was kept. */
class offer {
public:
  offer() = default;
  ~offer() { take_back(); }
  offer(const offer &) = delete;
  offer &operator=(const offer &) = delete;

  /* False with TypeError. */
  template <class Failed, Failed Value, class Function, class User,
            std::enable_if_t<std::is_function_v<Function>, int> = 0>
  bool make(PyObject *callable, const char *name, Function **function_out, User **user_out) {
    if (!check(callable, name))
      return false;
    if (callable != Py_None && threads::stopped()) {
      PyErr_SetString(PyExc_RuntimeError,
                      "no callbacks any more: the interpreter is shutting down");
      return false;
    }
    threads::expect_threads();
    user_ = callable == Py_None ? nullptr : registry::add(callable);
    *user_out = static_cast<User *>(user_);
    *function_out = user_ ? &function<Function *, User>::template call<Failed, Value> : nullptr;
    return true;
  }
  template <class Failed, Failed Value, class User, class Function,
            std::enable_if_t<std::is_function_v<Function>, int> = 0>
  bool make(PyObject *callable, const char *name, User **user_out, Function **function_out) {
    return make<Failed, Value>(callable, name, function_out, user_out);
  }

  /* After the call has succeeded: for its first argument, if that is an object. */
  template <class Owner> void keep(Owner owner, const char *name) {
    const void *whose = nullptr;
    if constexpr (std::is_pointer_v<Owner> &&
                  !std::is_function_v<std::remove_pointer_t<Owner>>)
      whose = owner;
    registry::keep({whose, name}, user_);
    user_ = nullptr;
  }

private:
  void take_back() {
    if (user_)
      registry::remove(user_);
  }

  void *user_ = nullptr;
};

/* A std::function that stands for a callable, with the GIL. */
template <class Signature> struct standard;
template <class Result, class... Arguments> struct standard<std::function<Result(Arguments...)>> {
  static std::function<Result(Arguments...)> make(PyObject *callable) {
    threads::expect_threads();
    auto target = std::make_shared<kept>(callable);
    return [target](Arguments... given) -> Result {
      std::tuple<std::decay_t<Arguments>...> all(given...);
      bool foreign = threads::is_foreign();
      if constexpr (std::is_void_v<Result>) {
        if (!invoke<-1, void, decltype(all)>(target->get(), all, nullptr) && !foreign)
          throw gil::interrupted{};
      } else {
        Result result{};
        if (!invoke<-1>(target->get(), all, &result) && !foreign)
          throw gil::interrupted{};
        return result;
      }
    };
  }
};

} // namespace callbacks
%}

%init %{
  callbacks::registry::survive_forks();
  gil::on_close = callbacks::registry::forget;
%}

%define %callback_of(PARAMETERS, FAILED)
%typemap(in, pytype="Callable[..., object] | None") PARAMETERS (callbacks::offer offer) {
  constexpr auto failed = callbacks::failed(FAILED);
  if (!offer.make<decltype(failed), failed>($input, "$1_name", &$1, &$2)) SWIG_fail;
}
%typemap(freearg) PARAMETERS ""
%typemap(typecheck, precedence=SWIG_TYPECHECK_POINTER) PARAMETERS {
  $1 = $input == Py_None || PyCallable_Check($input);
}
%enddef

%define %calls_back(PARAMETERS, FAILED...)
%callback_of(%arg(PARAMETERS), FAILED)
%typemap(argout) PARAMETERS ""
%enddef

%define %keeps_callback(PARAMETERS, FAILED...)
%callback_of(%arg(PARAMETERS), FAILED)
%typemap(argout) PARAMETERS {
  threads::require_stop();
  offer$argnum.keep(arg1, "$symname");
}
%enddef

%define %callable(TYPE...)
%typemap(in, pytype="Callable[..., object] | None") TYPE {
  threads::require_stop();
  if (!callbacks::check($input, "$1_name")) SWIG_fail;
  if ($input != Py_None) $1 = callbacks::standard<TYPE>::make($input);
}
%typemap(in, pytype="Callable[..., object] | None") const TYPE & (TYPE given) {
  threads::require_stop();
  if (!callbacks::check($input, "$1_name")) SWIG_fail;
  if ($input != Py_None) given = callbacks::standard<TYPE>::make($input);
  $1 = &given;
}
%typemap(freearg) const TYPE & ""
%typemap(typecheck, precedence=SWIG_TYPECHECK_POINTER) TYPE, const TYPE & {
  $1 = $input == Py_None || PyCallable_Check($input);
}
%enddef

#endif
