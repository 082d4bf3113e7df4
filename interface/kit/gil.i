/* gil.i: releases the GIL around calls into C++, and obeys Ctrl-C inside them. Reusable: it names
 * nothing of any library.
 *
 * %include it before the declarations that it is to cover. Never together with SWIG's -threads: the
 * GIL would be released twice. Each function then has one of three policies:
 *
 *   %gil_release(NAME)        around the whole call. The default for everything that follows.
 *   %gil_hold(NAME)           never: for getters that cannot block.
 *   %gil_when_blocking(NAME)  only while the library really waits, and only if the wait is expected
 *                             to last longer than GIL_THRESHOLD_NS. Releasing is cheap as long as
 *                             nobody competes, but beside a CPU-bound Python thread it costs up to
 *                             the switch interval (5 ms) to get the GIL back.
 *
 * NAME is the C++ name, such as vendor::device::read. %gil_default(MODE), MODE being release, hold
 * or when_blocking, gives another default to everything that follows: hold is right where every
 * call that can block is known, such as from a table of the library's own. For "when blocking" and
 * Ctrl-C the library has to tell when it waits. Define, before this file, its type for that and the
 * function that installs it for the calling thread and returns the one before:
 *
 *   #define GIL_HOOKS               struct with enter(void *user, int64_t expected_ns),
 *                                   leave(void *user), int poll(void *user), and user
 *   #define GIL_INSTALL_HOOKS(hooks)
 *
 * The library calls enter and leave around each wait (they may be nested), and poll (if not null)
 * about every 50 ms in it; poll's nonzero result must end the call. Without GIL_HOOKS there is only
 * release and hold.
 *
 * At run time, gil_set_policy() overrides what is declared, for demonstrations and tests.
 */
#ifndef KIT_GIL_I
#define KIT_GIL_I

%include "errors.i"
%include "signatures.i"

%{
#include <atomic>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <pthread.h>

#ifndef GIL_THRESHOLD_NS
#define GIL_THRESHOLD_NS 100000
#endif

namespace gil {

enum mode { release, hold, when_blocking };         /* what is declared for a function */
enum policy { as_declared, release_all, hold_all }; /* the override at run time */

static std::atomic<int> override_policy{as_declared};
static thread_local unsigned long releases = 0;

/* Python runs signal handlers on its main thread only. That is the one that initialised it, or that
 * called fork(); not always the one that threading.main_thread() names before 3.13, which is the
 * first that has imported threading. With the GIL. */
#if PY_VERSION_HEX < 0x030D0000
static void remember_main_thread() {}
static bool is_main_thread() { return _PyOS_IsMainThread(); }
#else
static std::atomic<unsigned long> main_thread{0};

static void remember_main_thread() {
  PyObject *threading = PyImport_ImportModule("threading");
  PyObject *thread = threading ? PyObject_CallMethod(threading, "main_thread", nullptr) : nullptr;
  PyObject *ident = thread ? PyObject_GetAttrString(thread, "ident") : nullptr;
  if (ident)
    main_thread = PyLong_AsUnsignedLong(ident);
  Py_XDECREF(ident);
  Py_XDECREF(thread);
  Py_XDECREF(threading);
  pthread_atfork(nullptr, nullptr, [] { main_thread = PyThread_get_thread_ident(); });
}

static bool is_main_thread() { return PyThread_get_thread_ident() == main_thread; }
#endif

struct interrupted {}; /* thrown when a signal handler raised: the Python error is set already */

/* Lives around one call into the library. finish() or fail() must be called before it ends: they
 * retake the GIL, which a destructor must not do, for on CPython before 3.14 it ends the thread by
 * unwinding its stack when the interpreter is shutting down. */
class guard {
public:
  /* may_raise: also what a callback elsewhere has raised. */
  guard(mode declared, bool may_raise) : may_raise_(may_raise) {
    if (declared == hold)
      return;
    int policy = override_policy.load(std::memory_order_relaxed);
    mode_ = policy == as_declared ? declared : policy == release_all ? release : hold;
#ifdef GIL_HOOKS
    hooks_.enter = enter;
    hooks_.leave = leave;
    hooks_.poll = nullptr;
    hooks_.user = this;
    before_ = GIL_INSTALL_HOOKS(&hooks_);
    installed_ = true;
#endif
    if (mode_ == release)
      let_go();
  }

  ~guard() {
#ifdef GIL_HOOKS
    if (installed_)
      GIL_INSTALL_HOOKS(before_);
#endif
  }

  guard(const guard &) = delete;
  guard &operator=(const guard &) = delete;

  /* After the call returned. */
  void finish() {
    take_back();
    if (claimed_)
      errors::defer(claimed_, nullptr); /* too late to end this call */
    if (raised_)
      throw interrupted{};
  }

  /* In a handler, after the call threw. */
  void fail() {
    take_back();
    if (claimed_ && raised_)
      errors::defer(claimed_, nullptr);
    else if (claimed_)
      errors::set(claimed_);
  }

private:
  void let_go() {
    main_ = is_main_thread();
    state_ = PyEval_SaveThread();
    releases++;
  }

  void take_back() {
    if (state_) {
      PyThreadState *state = state_;
      state_ = nullptr;
      PyEval_RestoreThread(state);
    }
  }

#ifdef GIL_HOOKS
  static void enter(void *user, int64_t expected_ns) {
    guard *self = static_cast<guard *>(user);
    self->depth_++;
    bool worth_it = expected_ns > GIL_THRESHOLD_NS && !self->raised_;
    if (!self->state_)
      self->main_ = is_main_thread();
    if (self->mode_ == when_blocking && !self->state_ && worth_it)
      self->let_go();
    bool claims = self->may_raise_ && errors::deferring;
    self->hooks_.poll = self->main_ || claims ? poll : nullptr;
  }

  static void leave(void *user) {
    guard *self = static_cast<guard *>(user);
    if (--self->depth_ == 0 && self->mode_ == when_blocking)
      self->take_back();
  }

  static int poll(void *user) {
    guard *self = static_cast<guard *>(user);
    if (self->raised_)
      return 1; /* and the GIL is held, with the Python error set */
    if (self->may_raise_ && !self->claimed_)
      self->claimed_ = errors::claim();
    if (self->claimed_ || !self->main_)
      return self->claimed_ != nullptr;
    bool released = self->state_ != nullptr;
    self->take_back();
    self->raised_ = PyErr_CheckSignals() != 0;
    if (released && !self->raised_)
      self->state_ = PyEval_SaveThread(); /* part of the same release: not counted again */
    return self->raised_;
  }

  GIL_HOOKS hooks_;
  const GIL_HOOKS *before_;
  bool installed_ = false;
  int depth_ = 0; /* of waits that are part of a longer operation */
#endif
  mode mode_ = hold;
  bool may_raise_, main_ = false;
  bool raised_ = false;          /* by a signal handler */
  PyObject *claimed_ = nullptr;  /* what a callback has raised: this call raises it */
  PyThreadState *state_ = nullptr; /* not null: released */
};

static mode default_mode = release;

static std::map<std::string, mode> &declared() {
  static std::map<std::string, mode> modes;
  return modes;
}

static const char *text(mode declared) {
  static const char *const names[] = {"release", "hold", "when blocking"};
  return names[declared];
}

} // namespace gil
%}

%init %{
  gil::remember_main_thread();
  if (PyErr_Occurred())
    return -1;
%}

/* The frame around every call. */
%define %gil_frame(MODE)
  if (ERRORS_MAY_RAISE("$decl") && errors::raise_deferred())
    SWIG_fail;
  try {
    gil::guard guard(gil::MODE, ERRORS_MAY_RAISE("$decl"));
    try {
      $action
    }
    ERRORS_LET_THREAD_END
    catch (...) {
      guard.fail();
      throw;
    }
    guard.finish();
  }
  ERRORS_CATCH
%enddef

%define %gil_default(MODE)
%exception { %gil_frame(MODE) }
%init %{
  gil::default_mode = gil::MODE;
%}
%enddef

%define %gil_declare(NAME, MODE)
%exception NAME { %gil_frame(MODE) }
%init %{
  gil::declared()[#NAME] = gil::MODE;
%}
%enddef

%define %gil_release(NAME)
%gil_declare(NAME, release)
%enddef
%define %gil_hold(NAME)
%gil_declare(NAME, hold)
%enddef
%define %gil_when_blocking(NAME)
%gil_declare(NAME, when_blocking)
%enddef

%gil_default(release)

/* What these do is done without a library. */
%gil_hold(gil_set_policy)
%gil_hold(gil_get_policy)
%gil_hold(gil_releases)
%gil_hold(gil_declared)
%gil_hold(gil_default)
%errors_never_deferred(gil_set_policy)
%errors_never_deferred(gil_get_policy)
%errors_never_deferred(gil_releases)
%errors_never_deferred(gil_declared)
%errors_never_deferred(gil_default)

%feature("docstring") gil_set_policy
  "Override the declared policies: \"auto\" (as declared), \"release\" or \"hold\".";
%feature("docstring") gil_get_policy "The override in force: \"auto\", \"release\" or \"hold\".";
%feature("docstring") gil_releases
  "How often the calling thread has released the GIL in calls of this module.";
%feature("docstring") gil_declared
  "The declared policies by C++ name; every name that is missing has gil_default().";
%feature("docstring") gil_default "The policy of everything that none is declared for.";

%typemap(out, pytype="Literal['auto', 'release', 'hold']") const char *gil_get_policy
  "$result = PyUnicode_FromString($1);"
%typemap(out, pytype="Literal['release', 'hold', 'when blocking']") const char *gil_default
  "$result = PyUnicode_FromString($1);"
%typemap(out, pytype="dict[str, str]") PyObject *gil_declared "$result = $1;"

%inline %{
void gil_set_policy(const std::string &policy) {
  if (policy == "auto")
    gil::override_policy = gil::as_declared;
  else if (policy == "release")
    gil::override_policy = gil::release_all;
  else if (policy == "hold")
    gil::override_policy = gil::hold_all;
  else
    throw std::invalid_argument("policy must be 'auto', 'release' or 'hold', got '" + policy + "'");
}

const char *gil_get_policy() {
  static const char *const names[] = {"auto", "release", "hold"};
  return names[gil::override_policy];
}

unsigned long gil_releases() { return gil::releases; }

const char *gil_default() { return gil::text(gil::default_mode); }

PyObject *gil_declared() {
  PyObject *result = PyDict_New();
  for (const auto &entry : gil::declared()) {
    PyObject *text = result ? PyUnicode_FromString(gil::text(entry.second)) : nullptr;
    if (!text || PyDict_SetItemString(result, entry.first.c_str(), text))
      Py_CLEAR(result);
    Py_XDECREF(text);
  }
  return result;
}
%}

#endif
