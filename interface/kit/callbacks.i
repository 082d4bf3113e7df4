/* callbacks.i: Python callables that C and C++ call. Reusable: it names nothing of any library.
 *
 * A parameter that is a C function with its user pointer, or a std::function, takes a callable:
 *
 *   %calls_back((vendor_progress report, void *user), FAILED)   during the call, on its thread
 *   %keeps_callback((vendor_handler handler, void *user), FAILED)  from now on, on any thread; None
 *                                                               takes the callback away
 *   %callable(std::function<void(double)>)                      as long as the library keeps it
 *
 * Pointer and function may come in either order; the user pointer is the last void * that the function
 * gets. FAILED is what the function returns after an exception, such as 1 where that ends the
 * operation; leave it out for functions that return nothing. On the thread of the call the
 * exception comes out of the call; on a thread of the library it is deferred: the next call raises
 * it, or one that waits (errors.i, gil.i).
 *
 * Numbers, bool, enumerations, text, and arrays of numbers (a pointer to const and a count) are
 * converted, arrays as a copy in a memoryview. For a type of the library's own define
 *
 *   static PyObject *to_python(const vendor_sample *sample);
 *
 * beside it. A callback is kept, with what it refers to, until it is replaced, or the object that it
 * was given to is closed (%closes) or destroyed. What the library calls after that calls nothing.
 *
 * A thread of the library is attached to Python at its first call, and stays so until it ends. In
 * threading it has the name that the library gave it, and it is traced and profiled as a new
 * threading.Thread is.
 *
 * The library's threads have to end before Python does, or to call nothing any more. A module with
 * callbacks that stay therefore does not compile without CALLBACKS_STOP: the statement that stops
 * and joins the threads. It runs at exit, with the GIL released; from then on nothing is called any
 * more. Give it a time limit: a callback that has not returned by then is named on sys.stderr, and
 * left behind. It may be empty: #define CALLBACKS_STOP
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
%include "../kit/gil.i"

%{
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
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
  PyGILState_STATE state = PyGILState_Ensure();
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
  PyGILState_Release(state);
  return good;
}

/* Incomplete where CALLBACKS_STOP is not defined: say there what stops and joins the library's
 * threads. Looked at when everything has been read. */
class CALLBACKS_STOP_is_missing;
template <class Stop = CALLBACKS_STOP_is_missing> static void require_stop() {
  static_assert(sizeof(Stop) > 0);
}

/* ----------------------------------------------------------------- on threads of the library -- */

/* Python is about to end. */
[[maybe_unused]] static bool stopped() { return shared::the->stopped; }

/* Who is between enter() and leave() may need Python, which does not end meanwhile, for a while. */
static std::atomic<int> inside{0};
static thread_local int depth = 0; /* of this thread's */
[[maybe_unused]] static void leave() {
  depth--;
  inside--;
}
[[maybe_unused]] static bool enter() {
  depth++;
  inside++;
  if (!stopped())
    return true;
  leave();
  return false;
}

/* The first thread state beside the main one makes free-threaded Python 3.13 stop all threads,
 * under a lock that stays locked in the child of a fork() at that moment: it hangs when it collects
 * garbage. So it is made here, by a thread that cannot be forking, and not by one of the library's
 * later. */
[[maybe_unused]] static void expect_threads() {
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX < 0x030E0000
  static std::atomic<bool> expected{false};
  if (expected.exchange(true))
    return;
  if (PyThreadState *state = PyThreadState_New(PyInterpreterState_Get())) {
    PyThreadState_Clear(state);
    PyThreadState_Delete(state);
  }
#endif
}

/* Makes a thread state for a thread that Python does not know, and keeps it as long as that. */
class attachment {
public:
  void make() {
    if (state_ || PyGILState_GetThisThreadState())
      return;
    ensured_ = PyGILState_Ensure();
    state_ = PyEval_SaveThread();
  }
  /* A thread that comes back for the GIL before the others have woken up would keep them from it:
   * they ask for it to be dropped only after they have waited for a switch interval without a
   * break. So one that is busy for as long steps back for a moment. */
  void let_others() {
#ifndef Py_GIL_DISABLED
    using namespace std::chrono;
    steady_clock::time_point now = steady_clock::now();
    if (!state_ || now - last_ > microseconds(50)) {
      busy_since_ = now;
    } else if (now - busy_since_ > milliseconds(5)) {
      std::this_thread::sleep_for(microseconds(100));
      busy_since_ = steady_clock::now();
    }
#endif
  }
  void released() { last_ = std::chrono::steady_clock::now(); }

  /* Makes it a thread among others in threading: with its name, once, and traced and profiled by
   * what threading.settrace() and setprofile() say now. With the GIL. */
  void introduce() {
    if (!state_)
      return; /* Python knows it */
    if (!threading_)
      threading_ = named();
    if (!threading_ || !follow("_trace_hook", "settrace", &trace_) ||
        !follow("_profile_hook", "setprofile", &profile_))
      PyErr_WriteUnraisable(nullptr);
  }

  bool is_made() const { return state_; }

  ~attachment() {
    if (!state_ || !enter()) /* at exit Python itself frees it */
      return;
    PyEval_RestoreThread(state_);
    Py_XDECREF(trace_);
    Py_XDECREF(profile_);
    Py_XDECREF(threading_);
    PyGILState_Release(ensured_);
    leave();
  }

private:
  /* The module threading, after it has the name that the system knows for this thread. */
  static PyObject *named() {
    char text[64] = "";
    pthread_getname_np(pthread_self(), text, sizeof text);
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *name = threading ? errors::text(text) : nullptr;
    PyObject *thread = name ? PyObject_CallMethod(threading, "current_thread", nullptr) : nullptr;
    if (!thread || PyObject_SetAttrString(thread, "name", name))
      Py_CLEAR(threading);
    Py_XDECREF(thread);
    Py_XDECREF(name);
    return threading;
  }

  /* Read, and not asked for by threading.gettrace(), which would itself be traced. */
  bool follow(const char *hook_name, const char *setter, PyObject **known) {
    PyObject *hook = PyObject_GetAttrString(threading_, hook_name);
    if (!hook || hook == (*known ? *known : Py_None)) {
      Py_XDECREF(hook);
      return hook;
    }
    Py_XSETREF(*known, hook);
    PyObject *function = PySys_GetObject(setter); /* borrowed */
    PyObject *result = function ? PyObject_CallOneArg(function, hook) : nullptr;
    Py_XDECREF(result);
    return result;
  }

  PyThreadState *state_ = nullptr;
  PyGILState_STATE ensured_;
  PyObject *threading_ = nullptr, *trace_ = nullptr, *profile_ = nullptr;
  std::chrono::steady_clock::time_point last_, busy_since_; /* last_: it gave the GIL back */
};

static thread_local attachment thread_attachment;

/* Has the GIL in what the library calls, on any thread; not at all once Python is about to end. A
 * thread that Python ends meanwhile, before 3.14 by unwinding its stack, has it no more. */
class entry {
public:
  entry() : entered_(enter()) {
    if (!entered_)
      return;
    thread_attachment.make();
    thread_attachment.let_others();
    state_ = PyGILState_Ensure();
  }
  ~entry() { end(); }
  void end() {
    if (!entered_)
      return;
    entered_ = false;
    if (gil::is_held()) {
      PyGILState_Release(state_);
      thread_attachment.released();
    }
    leave();
  }
  entry(const entry &) = delete;
  entry &operator=(const entry &) = delete;

  explicit operator bool() const { return entered_; }

private:
  bool entered_;
  PyGILState_STATE state_;
};

template <class Work> static void with_gil(Work work) {
  if (entry entered; entered)
    work();
}

/* A thread of the library, which Python does not know by itself. */
[[maybe_unused]] static bool is_foreign() {
  return thread_attachment.is_made() || !PyGILState_GetThisThreadState();
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

/* A call of a callback, listed for as long as it takes. The mutex is never held while anything needs
 * the GIL, and is free in the child of a fork(), where only the calls of the thread that forked go
 * on. */
class running {
public:
  explicit running(PyObject *callback) : callback_(callback), thread_(pthread_self()) {
    std::lock_guard<std::mutex> lock(mutex());
    next_ = first();
    first() = this;
  }
  ~running() { /* also when the thread is ended by unwinding its stack */
    std::lock_guard<std::mutex> lock(mutex());
    unlink(this);
  }
  running(const running &) = delete;
  running &operator=(const running &) = delete;

  /* Names all of them on sys.stderr. */
  static void report() {
    std::vector<PyObject *> late;
    {
      std::lock_guard<std::mutex> lock(mutex());
      for (running *each = first(); each; each = each->next_)
        late.push_back(Py_NewRef(each->callback_));
    }
    for (PyObject *callback : late) {
      PyObject *code = PyObject_GetAttrString(callback, "__code__");
      PyObject *file = code ? PyObject_GetAttrString(code, "co_filename") : nullptr;
      PyObject *line = file ? PyObject_GetAttrString(code, "co_firstlineno") : nullptr;
      PyErr_Clear();
      PySys_FormatStderr("Python ends without a callback that has not returned: %R", callback);
      if (line)
        PySys_FormatStderr(" (%S:%S)", file, line);
      PySys_WriteStderr("\n");
      Py_XDECREF(line);
      Py_XDECREF(file);
      Py_XDECREF(code);
      Py_DECREF(callback);
    }
  }

  static void survive_forks() {
    pthread_atfork([] { mutex().lock(); }, [] { mutex().unlock(); },
                   [] {
                     for (running *each = first(), *next; each; each = next) {
                       next = each->next_;
                       if (!pthread_equal(each->thread_, pthread_self()))
                         unlink(each);
                     }
                     mutex().unlock();
                   });
  }

private:
  static std::mutex &mutex() {
    static std::mutex *mutex = new std::mutex; /* for good: a thread may be left at the end */
    return *mutex;
  }
  static running *&first() {
    static running *first = nullptr;
    return first;
  }
  static void unlink(const running *self) {
    running **link = &first();
    while (*link != self)
      link = &(*link)->next_;
    *link = self->next_;
  }

  PyObject *callback_; /* of the caller's */
  pthread_t thread_;
  running *next_;
};

class target {
public:
  /* Throws if the object cannot be referred to weakly; the Python error is set. */
  template <class Stop = CALLBACKS_STOP_is_missing> explicit target(PyObject *object) {
    require_stop<Stop>();
    gil::held held; /* code of yours may have released it */
    reference_ = PyWeakref_NewRef(object, nullptr);
    if (!reference_)
      throw std::invalid_argument("not a target");
    expect_threads();
    PyObject *on_error = PyObject_GetAttrString(object, "on_error");
    raises_ = on_error && is_raise(on_error);
    shared::the->deferring += raises_;
    Py_XDECREF(on_error);
    PyErr_Clear(); /* the first batch will say so */
  }
  ~target() {
    shared::the->deferring -= raises_;
    with_gil([this] { Py_DECREF(reference_); });
  }
  target(const target &) = delete;
  target &operator=(const target &) = delete;

  /* Calls the callback with what `next` returns: a new reference, until it returns null. */
  template <class Next> void deliver(Next next) const {
    with_gil([&] {
      thread_attachment.introduce();
      PyObject *object = get();
      if (!object)
        return;
      PyObject *callback = PyObject_GetAttrString(object, "callback");
      PyObject *on_error = callback ? PyObject_GetAttrString(object, "on_error") : nullptr;
      Py_DECREF(object); /* the batch does not keep it alive */
      while (on_error && !stopped()) {
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
    running listed(callback);
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
    with_gil([this] { Py_DECREF(callable_); });
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
class registry {
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
  static std::mutex &mutex() {
    static std::mutex *mutex = new std::mutex; /* for good, as all of it */
    return *mutex;
  }

private:
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

/* C's values in Python, each a new reference. */
namespace values {
[[maybe_unused]] static PyObject *to_python(const char *text) {
  return text ? errors::text(text) : Py_NewRef(Py_None);
}
[[maybe_unused]] static PyObject *to_python(char *text) {
  return to_python(static_cast<const char *>(text));
}
[[maybe_unused]] static PyObject *to_python(const std::string &text) {
  return errors::text(text.c_str());
}
template <class T, std::enable_if_t<std::is_arithmetic_v<T> || std::is_enum_v<T>, int> = 0>
static PyObject *to_python(T value) {
  if constexpr (std::is_same_v<T, bool>)
    return PyBool_FromLong(value);
  else if constexpr (std::is_floating_point_v<T>)
    return PyFloat_FromDouble(static_cast<double>(value));
  else if constexpr (std::is_unsigned_v<T>)
    return PyLong_FromUnsignedLongLong(value);
  else
    return PyLong_FromLongLong(static_cast<long long>(value));
}

template <class T> constexpr const char *format() {
  if constexpr (std::is_same_v<T, bool>)
    return "?";
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? "f" : "d";
  else if constexpr (std::is_signed_v<T>)
    return sizeof(T) == 1 ? "b" : sizeof(T) == 2 ? "h" : sizeof(T) == 4 ? "i" : "q";
  else
    return sizeof(T) == 1 ? "B" : sizeof(T) == 2 ? "H" : sizeof(T) == 4 ? "I" : "Q";
}

/* A copy, because the library's memory lives no longer than the call. */
template <class T> static PyObject *array(const T *data, unsigned long long count) {
  constexpr size_t size = [] {
    if constexpr (std::is_void_v<T>)
      return size_t{1};
    else
      return sizeof(T);
  }();
  PyObject *bytes = PyBytes_FromStringAndSize(reinterpret_cast<const char *>(data),
                                              static_cast<Py_ssize_t>(data ? count * size : 0));
  if constexpr (std::is_void_v<T>) {
    return bytes;
  } else {
    PyObject *view = bytes ? PyMemoryView_FromObject(bytes) : nullptr;
    PyObject *result = view ? PyObject_CallMethod(view, "cast", "s", format<T>()) : nullptr;
    Py_XDECREF(view);
    Py_XDECREF(bytes);
    return result;
  }
}

template <class T>
constexpr bool is_data =
    std::is_pointer_v<T> && std::is_const_v<std::remove_pointer_t<T>> &&
    !std::is_same_v<std::remove_cv_t<std::remove_pointer_t<T>>, char> &&
    (std::is_void_v<std::remove_pointer_t<T>> || std::is_arithmetic_v<std::remove_pointer_t<T>>);
template <class T> constexpr bool is_count = std::is_integral_v<T> && !std::is_same_v<T, bool>;
} // namespace values

/* Appends the arguments from I on to the list; the user pointer, at Skip, is none. */
template <int Skip, size_t I = 0, class Tuple> static bool append(PyObject *list, Tuple &all) {
  using values::to_python;
  if constexpr (I >= std::tuple_size_v<Tuple>) {
    return true;
  } else if constexpr (static_cast<int>(I) == Skip) {
    return append<Skip, I + 1>(list, all);
  } else {
    constexpr bool pair = [] {
      if constexpr (I + 1 < std::tuple_size_v<Tuple>)
        return values::is_data<std::decay_t<std::tuple_element_t<I, Tuple>>> &&
               values::is_count<std::decay_t<std::tuple_element_t<I + 1, Tuple>>>;
      else
        return false;
    }();
    PyObject *value;
    if constexpr (pair)
      value = values::array(std::get<I>(all), static_cast<unsigned long long>(std::get<I + 1>(all)));
    else
      value = to_python(std::get<I>(all));
    bool good = value && !PyList_Append(list, value);
    Py_XDECREF(value);
    return good && append<Skip, I + (pair ? 2 : 1)>(list, all);
  }
}

/* Calls; false after an exception, which is left set on the thread of a call, and deferred on one
 * of the library. */
template <int Skip, class Result, class Tuple>
static bool invoke(PyObject *callable, Tuple &all, Result *result_out) {
  bool good = false, foreign = is_foreign();
  with_gil([&] {
    thread_attachment.introduce();
    if (PyErr_Occurred())
      return; /* an earlier one of the same call has raised */
    PyObject *list = PyList_New(0);
    PyObject *arguments = list && append<Skip>(list, all) ? PyList_AsTuple(list) : nullptr;
    PyObject *result = nullptr;
    if (arguments) {
      running listed(callable);
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

/* The last void * among these types, or -1. */
template <class... Arguments> constexpr int user_pointer() {
  int found = -1, at = 0;
  ((found = std::is_same_v<Arguments, void *> ? at : found, at++), ...);
  return found;
}

/* The C function that stands for a callable. */
template <class Signature> struct function;
template <class Result, class... Arguments> struct function<Result (*)(Arguments...)> {
  static constexpr int USER = user_pointer<Arguments...>();
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
  template <class Failed, Failed Value, class Function>
  bool make(PyObject *callable, const char *name, Function **function_out, void **user_out) {
    if (!check(callable, name))
      return false;
    if (callable != Py_None && stopped()) {
      PyErr_SetString(PyExc_RuntimeError,
                      "no callbacks any more: the interpreter is shutting down");
      return false;
    }
    expect_threads();
    user_ = callable == Py_None ? nullptr : registry::add(callable);
    *user_out = user_;
    *function_out = user_ ? &function<Function *>::template call<Failed, Value> : nullptr;
    return true;
  }
  template <class Failed, Failed Value, class Function>
  bool make(PyObject *callable, const char *name, void **user_out, Function **function_out) {
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
    expect_threads();
    auto target = std::make_shared<kept>(callable);
    return [target](Arguments... given) -> Result {
      std::tuple<std::decay_t<Arguments>...> all(given...);
      bool foreign = is_foreign();
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

[[maybe_unused]] static void survive_forks() {
  pthread_atfork([] { registry::mutex().lock(); }, [] { registry::mutex().unlock(); },
                 [] {
                   registry::mutex().unlock();
                   inside = depth;
                 });
}

} // namespace callbacks
%}

/* After all headers, so that what they define may come before or after this file. */
%wrapper %{
extern "C++" {
namespace callbacks {
#ifdef CALLBACKS_STOP
class CALLBACKS_STOP_is_missing {}; /* it is not */
#else
#define CALLBACKS_STOP /* the library calls back on the threads of calls only */
#endif

[[maybe_unused]] static PyObject *stop(PyObject *, PyObject *) {
  shared::the->stopped = 1;
  Py_BEGIN_ALLOW_THREADS
  auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  CALLBACKS_STOP;
  while (inside > 0 && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Py_END_ALLOW_THREADS
  running::report();
  if (errors::raise_deferred()) /* no call will come that could raise it */
    PyErr_WriteUnraisable(nullptr);
  Py_RETURN_NONE;
}

[[maybe_unused]] static bool stop_at_exit() {
  static PyMethodDef definition = {"stop_callbacks", stop, METH_NOARGS, nullptr};
  return module::at_exit(&definition);
}

} // namespace callbacks
}
%}

%init %{
  callbacks::survive_forks();
  gil::on_close = callbacks::registry::forget;
  if (!callbacks::stop_at_exit())
    return -1;
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
  callbacks::require_stop();
  offer$argnum.keep(arg1, "$symname");
}
%enddef

%define %callable(TYPE...)
%typemap(in, pytype="Callable[..., object] | None") TYPE {
  callbacks::require_stop();
  if (!callbacks::check($input, "$1_name")) SWIG_fail;
  if ($input != Py_None) $1 = callbacks::standard<TYPE>::make($input);
}
%typemap(in, pytype="Callable[..., object] | None") const TYPE & (TYPE given) {
  callbacks::require_stop();
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
