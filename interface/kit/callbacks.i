/* callbacks.i: Python callables that C++ calls. Reusable: it names nothing of any library.
 *
 * On the calling thread, such as a progress report: callbacks::call() takes the GIL back for the
 * call, whether gil.i has released it or not, and lets it go again. When the callable raises, the
 * error stays set and the result is false; the library then ends the operation, and errors.i passes
 * the exception on as it is. A typemap for the parameter checks that it is callable:
 *
 *   if (!callbacks::check($input, "$1_name")) SWIG_fail;
 *
 * and, for a callable that raises when the operation has succeeded already, an argout typemap says
 *
 *   if (PyErr_Occurred()) SWIG_fail;
 *
 * On a thread of the library: callbacks::target refers to a Python object with the attributes
 *
 *   callback   is called with one argument
 *   on_error   what becomes of an exception that it raises:
 *              "unraisable"   sys.unraisablehook gets it
 *              "raise"        the next call of the module raises it, or one that waits (errors.i)
 *              a callable     is called with it
 *
 * The object is held weakly, so its life is Python's business: the garbage collector sees what it
 * and its callback refer to, and nothing is called once it is gone. A thread of the library is
 * attached to Python at its first batch, and stays so until it ends; the GIL is taken once for a
 * batch of calls, however many. In threading it has the name that the library gave it, and it is
 * traced and profiled as a new threading.Thread is. As a C function and its user pointer:
 *
 *   static void on_sample(void *user, const sample *samples, size_t count) {
 *     size_t i = 0;
 *     static_cast<callbacks::target *>(user)->deliver(
 *         [&] { return i < count ? as_object(samples[i++]) : nullptr; });
 *   }
 *   vendor_subscribe(on_sample, new callbacks::target(object)); // delete it after the last call
 *
 * As a std::function (it must be copyable): capture a std::shared_ptr<callbacks::target>.
 *
 * The library's threads have to end before Python does. Define, before this file, the statement
 * that stops and joins them: #define CALLBACKS_STOP. It runs at exit, with the GIL released; from
 * then on nothing is called any more. Give it a time limit: a callback that has not returned by then
 * is named on sys.stderr, and left behind.
 */
#ifndef KIT_CALLBACKS_I
#define KIT_CALLBACKS_I

%include "errors.i"

%{
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <mutex>
#include <thread>
#include <vector>
#include <pthread.h>

namespace callbacks {

/* Callable, or None; otherwise false with TypeError. */
static bool check(PyObject *object, const char *name) {
  if (object == Py_None || PyCallable_Check(object))
    return true;
  PyErr_Format(PyExc_TypeError, "%s must be callable or None, got %.200R (%s)", name, object,
               Py_TYPE(object)->tp_name);
  return false;
}

/* Calls with arguments as to Py_BuildValue("(...)"). False: it raised, now or in a call before. */
static bool call(PyObject *callable, const char *format, ...) {
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
  PyGILState_Release(state);
  return good;
}

/* ----------------------------------------------------------------- on threads of the library -- */

static std::atomic<bool> stopped{false}; /* Python is about to end */

/* The first thread state beside the main one makes free-threaded Python 3.13 stop all threads,
 * under a lock that stays locked in the child of a fork() at that moment: it hangs when it collects
 * garbage. So it is made here, by a thread that cannot be forking, and not by one of the library's
 * later. */
static void expect_threads() {
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

  ~attachment() {
    if (!state_ || stopped) /* at exit Python itself frees it */
      return;
    PyEval_RestoreThread(state_);
    Py_XDECREF(trace_);
    Py_XDECREF(profile_);
    Py_XDECREF(threading_);
    PyGILState_Release(ensured_);
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

/* Calls `work` with the GIL, on any thread; not at all once Python is about to end. No destructor
 * gives the GIL back: before 3.14 Python ends a late thread by unwinding its stack, without it. */
template <class Work> static void with_gil(Work work) {
  if (stopped)
    return;
  thread_attachment.make();
  thread_attachment.let_others();
  PyGILState_STATE state = PyGILState_Ensure();
  work();
  PyGILState_Release(state);
  thread_attachment.released();
}

static bool is_raise(PyObject *on_error) {
  return PyUnicode_Check(on_error) && PyUnicode_CompareWithASCIIString(on_error, "raise") == 0;
}

/* Gives the exception that is set to whom `on_error` says. */
static void report(PyObject *callback, PyObject *on_error) {
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
  /* With the GIL. Throws if the object cannot be referred to weakly; the Python error is set. */
  explicit target(PyObject *object) : reference_(PyWeakref_NewRef(object, nullptr)) {
    if (!reference_)
      throw std::invalid_argument("not a target");
    expect_threads();
    PyObject *on_error = PyObject_GetAttrString(object, "on_error");
    raises_ = on_error && is_raise(on_error);
    errors::deferring += raises_;
    Py_XDECREF(on_error);
    PyErr_Clear(); /* the first batch will say so */
  }
  ~target() {
    errors::deferring -= raises_;
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
      while (on_error && !stopped) {
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

#ifdef CALLBACKS_STOP
static PyObject *stop(PyObject *, PyObject *) {
  stopped = true;
  Py_BEGIN_ALLOW_THREADS
  CALLBACKS_STOP;
  Py_END_ALLOW_THREADS
  running::report();
  if (errors::raise_deferred()) /* no call will come that could raise it */
    PyErr_WriteUnraisable(nullptr);
  Py_RETURN_NONE;
}

static bool stop_at_exit() {
  static PyMethodDef definition = {"stop_callbacks", stop, METH_NOARGS, nullptr};
  return module::at_exit(&definition);
}
#endif

} // namespace callbacks
%}

%init %{
#ifdef CALLBACKS_STOP
  if (!callbacks::stop_at_exit())
    return -1;
#endif
%}

#endif
