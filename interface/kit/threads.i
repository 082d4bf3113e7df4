/* threads.i: Python on threads of a library, until it ends. Reusable: it names nothing of any library.
 *
 * What the library calls enters Python by threads::entry, or threads::with_gil(), on any thread. A
 * thread of the library is attached to Python at the first time, and stays so until it ends. In
 * threading it has the name that the library gave it, and it is traced and profiled as a new
 * threading.Thread is.
 *
 * The library's threads have to end before Python does, or to call nothing any more. A module with
 * callbacks that stay therefore does not compile without CALLBACKS_STOP: the statement that stops
 * and joins the threads. It runs at exit, with the GIL released; from then on nothing is called any
 * more. Give it a time limit: a callback that has not returned by then is named on sys.stderr, and
 * left behind. It may be empty: #define CALLBACKS_STOP
 */
#ifndef KIT_THREADS_I
#define KIT_THREADS_I

%include "../kit/gil.i"

%{
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>
#include <pthread.h>

namespace threads {

/* Incomplete where CALLBACKS_STOP is not defined: say there what stops and joins the library's
 * threads. Looked at when everything has been read. */
class CALLBACKS_STOP_is_missing;
template <class Stop = CALLBACKS_STOP_is_missing> static void require_stop() {
  static_assert(sizeof(Stop) > 0);
}

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

/* A call of a callback, listed for as long as it takes. The mutex is never held while anything needs
 * the GIL, and is free in the child of a fork(), where only the calls of the thread that forked go
 * on. */
class [[gnu::visibility("hidden")]] running {
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
                     inside = depth;
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

} // namespace threads
%}

/* After all headers, so that what they define may come before or after this file. */
%wrapper %{
extern "C++" {
namespace threads {
#ifdef CALLBACKS_STOP
class CALLBACKS_STOP_is_missing {}; /* it is not */
#else
#define CALLBACKS_STOP /* the library calls back on the threads of calls only */
#endif

[[maybe_unused]] static PyObject *stop(PyObject *, PyObject *) {
  shared::the->stopped = 1;
  gil::without([] {
    auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    CALLBACKS_STOP;
    while (inside > 0 && std::chrono::steady_clock::now() < limit)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  running::report();
  if (errors::raise_deferred()) /* no call will come that could raise it */
    PyErr_WriteUnraisable(nullptr);
  Py_RETURN_NONE;
}

[[maybe_unused]] static bool stop_at_exit() {
  static PyMethodDef definition = {"stop_threads", stop, METH_NOARGS, nullptr};
  return module::at_exit(&definition);
}

} // namespace threads
}
%}

%init %{
  threads::running::survive_forks();
  if (!threads::stop_at_exit())
    return -1;
%}

#endif
