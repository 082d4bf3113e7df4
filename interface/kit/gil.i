/* gil.i: releases the GIL around calls into C++, and obeys Ctrl-C inside them. Reusable: it names
 * nothing of any library.
 *
 * %include it before the declarations that it is to cover. Then say of a call what it does:
 *
 *   %blocks(NAMES...)     it may wait. The default for everything that follows
 *   %computes(NAMES...)   it takes long, and does not wait
 *   %quick(NAMES...)      it does neither, such as a getter: the GIL is not worth releasing
 *   %closes(NAMES...)     it closes or destroys: it may wait, join a thread that calls back, and is
 *                         done whatever a callback has raised. Destructors are so by themselves
 *   %wakes(WAKE, NAMES...) it blocks, and Ctrl-C ends it by WAKE, a statement that runs on another
 *                         thread, such as vendor_cancel(arg1): arg1 is the first argument (interrupts.i)
 *
 * NAMES are C++ names, such as vendor::device::read, also with their parameters,
 * vendor::device::read(int), or *::read for the methods of every class. A name that no function has is
 * an ImportError.
 *
 * The GIL is then released around the whole call, unless it is quick. What takes or returns a
 * PyObject * touches Python, and keeps the GIL; to say of it that it blocks does not compile. C++
 * code of your own that uses Python without showing it there has to be %quick, or to hold the GIL
 * for that by gil::held.
 *
 * A library that tells when it waits can do better, because releasing is cheap as long as nobody
 * competes, but beside a CPU-bound Python thread it costs up to the switch interval (5 ms) to get
 * the GIL back: what blocks then releases it only while the library really waits, and only if the
 * wait is expected to last longer than GIL_THRESHOLD_NS; and Ctrl-C ends the wait. Define in a
 * block of %{ %} its type for that and what installs it for the calling thread and returns the one
 * before:
 *
 *   #define GIL_HOOKS               struct with enter(void *user, int64_t expected_ns),
 *                                   leave(void *user), int poll(void *user), and user
 *   #define GIL_INSTALL_HOOKS(hooks)
 *
 * A negative expected_ns says that another thread may be waited for that needs the GIL, such as one
 * that calls back: it is released then whatever the policy. The library calls enter and leave around
 * each wait (they may be nested), and poll (if not null) about every 50 ms in it; poll's nonzero
 * result must end the call. Who wants to know of the other waits that release the GIL says
 * #define GIL_MAY_WAIT(), an expression that is evaluated before, with the GIL held: false, with a
 * Python error set, ends the call.
 *
 * A library that only asks now and then whether to go on, such as sqlite by its progress handler,
 * says #define GIL_POLLED, and asks gil::poll() there: true ends the call, because of Ctrl-C or what a
 * callback has raised. It asks Python at most every 50 ms, and may be called as often as the library
 * likes.
 *
 * The policies that these come to can be said as well: %gil_release(NAMES...), %gil_hold(NAMES...),
 * %gil_when_blocking(NAMES...), and %gil_default(MODE) for everything that follows, MODE being
 * release, hold or when_blocking: hold is right where every call that can block is known, such as
 * from a table of the library's own. At run time, gil_set_policy() overrides what is declared, in
 * all modules of the process, for demonstrations and tests.
 */
#ifndef KIT_GIL_I
#define KIT_GIL_I

%include "../kit/arguments.i"
%include "../kit/errors.i"
%include "../kit/signatures.i"
%include "../kit/interrupts.i"

%feature("nothreadallow");

%{
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <pthread.h>

/* What a wrapper has no variable for: its own, of the same name, hides these. */
namespace missing {
struct nothing {};
[[maybe_unused]] static constexpr nothing result{}, c_result{}, arg1{}, arg2{}, arg3{}, arg4{},
    arg5{}, arg6{}, arg7{}, arg8{}, arg9{}, arg10{}, kit_text{};
} // namespace missing

using namespace missing;

namespace gil {

enum mode { release, hold, when_blocking };         /* what is declared for a function */
enum policy { as_declared, release_all, hold_all }; /* the override at run time */

static thread_local unsigned long releases = 0;

struct interrupted {}; /* thrown when a signal handler raised: the Python error is set already */

/* Whether the call that this thread is in is to end: for libraries with GIL_POLLED. */
[[maybe_unused]] static bool poll();

/* Told of what has been closed or destroyed: callbacks.i forgets what it has been given. */
static void (*on_close)(const void *object) = nullptr;

enum class closes { nothing, first, handle }; /* a call: its first argument; what handles.i makes */

/* The address, as a number, because there may be nothing any more. */
template <closes What, class Object> static uintptr_t closing(const Object &object) {
  if constexpr (What != closes::nothing && std::is_pointer_v<Object> &&
                !std::is_function_v<std::remove_pointer_t<Object>>)
    return reinterpret_cast<uintptr_t>(object);
  else
    return 0;
}
template <closes What> static void closed(uintptr_t object) {
  if constexpr (What != closes::nothing) {
    if (on_close && object)
      on_close(reinterpret_cast<const void *>(object));
  }
}

/* An argument in use by a call, and a result: handles.i has more to do for its own. */
template <class Object, class = void> struct use {
  static constexpr bool ends = false; /* another thread may close it right after the call */
  explicit use(const Object &) {}
};
/* Text that a call returns: a copy where it may change or end as soon as others use the argument. */
struct returned_text {
  std::optional<std::string> copy;
  const char *of(const char *given) const { return copy ? copy->c_str() : given; }
};
template <bool Ends, class Text, class Result>
static void keep(Text &text_out, const Result &result) {
  if constexpr (Ends && std::is_same_v<Text, returned_text>) {
    if (result)
      text_out.copy = result;
  }
}
/* What a call waits for without the GIL, before it begins: its turn. */
template <class Object, class = void> struct turn {
  explicit turn(const Object &) {}
};
template <class Object, class = void> struct make {
  static void of(const Object &) {}
};

/* Whether this thread has it. PyGILState_Check() says so of every thread once there has been a
 * sub-interpreter. */
[[maybe_unused]] static bool is_held() {
#if PY_VERSION_HEX >= 0x030D0000
  PyThreadState *now = PyThreadState_GetUnchecked();
#else
  PyThreadState *now = _PyThreadState_UncheckedGet();
#endif
  return now && now == PyGILState_GetThisThreadState();
}

/* Does it without the GIL, whether the thread has it or not. Before 3.14 CPython may end the thread
 * where it retakes the GIL, by unwinding its stack: a destructor that calls this is noexcept(false). */
template <class Work> static void without(Work work) {
  PyThreadState *state = is_held() ? PyEval_SaveThread() : nullptr;
  try {
    work();
  }
  ERRORS_LET_THREAD_END
  catch (...) {
    if (state)
      PyEval_RestoreThread(state);
    throw;
  }
  if (state)
    PyEval_RestoreThread(state);
}

/* For C++ code that uses Python where the GIL may be released. */
class held {
public:
  held() : state_(PyGILState_Ensure()) {}
  ~held() {
    if (is_held()) /* not a thread that Python ends */
      PyGILState_Release(state_);
  }
  held(const held &) = delete;
  held &operator=(const held &) = delete;

private:
  PyGILState_STATE state_;
};

static mode default_mode = release;

[[maybe_unused]] static std::map<std::string, mode> &declared() {
  static std::map<std::string, mode> modes;
  return modes;
}

[[maybe_unused]] static const char *text(mode declared) {
  static const char *const names[] = {"release", "hold", "when blocking"};
  return names[declared];
}

} // namespace gil
%}

/* After all headers, so that what they define may come before or after this file. */
%wrapper %{
extern "C++" {

#undef SWIG_fail
#define SWIG_fail goto fail

#ifndef GIL_THRESHOLD_NS
#define GIL_THRESHOLD_NS 100000
#endif
#ifndef GIL_MAY_WAIT
#define GIL_MAY_WAIT() true
#endif

namespace gil {

#ifdef GIL_POLLED
struct polled_hooks {
  void (*enter)(void *user, int64_t expected_ns);
  void (*leave)(void *user);
  int (*poll)(void *user);
  void *user;
};
static thread_local const polled_hooks *current_hooks = nullptr;
static const polled_hooks *install(const polled_hooks *hooks) {
  const polled_hooks *before = current_hooks;
  current_hooks = hooks;
  return before;
}
#define GIL_HOOKS gil::polled_hooks
#define GIL_INSTALL_HOOKS(hooks) gil::install(hooks)
constexpr bool tells_waits = false;
#else
constexpr bool tells_waits = true; /* if it has hooks at all */
#endif

static bool poll() {
#ifdef GIL_POLLED
  using namespace std::chrono;
  static thread_local steady_clock::time_point last;
  const polled_hooks *hooks = current_hooks;
  steady_clock::time_point now = steady_clock::now();
  if (!hooks || now - last < milliseconds(50))
    return false;
  last = now;
  hooks->enter(hooks->user, INT64_MAX);
  bool ends = hooks->poll && hooks->poll(hooks->user);
  hooks->leave(hooks->user);
  if (ends)
    last = {};
  return ends;
#else
  return false;
#endif
}

/* Lives around one call into the library. finish() or fail() must be called before it ends: they
 * retake the GIL, which a destructor must not do, for on CPython before 3.14 it ends the thread by
 * unwinding its stack when the interpreter is shutting down. */
class guard {
public:
  /* may_raise: also what a callback elsewhere has raised. */
  guard(mode declared, bool may_raise) : may_raise_(may_raise) {
    if (declared == hold)
      return;
    int policy = shared::the->policy.load(std::memory_order_relaxed);
    mode_ = policy == as_declared ? declared : policy == release_all ? release : hold;
    if (mode_ == when_blocking && !tells_waits)
      mode_ = release;
#ifdef GIL_HOOKS
    hooks_.enter = enter;
    hooks_.leave = leave;
    hooks_.poll = nullptr;
    hooks_.user = this;
    before_ = GIL_INSTALL_HOOKS(&hooks_);
    installed_ = true;
#else
    if (mode_ == when_blocking) /* nobody would tell */
      mode_ = release;
#endif
    if (mode_ == release)
      let_go();
  }

  ~guard() {
#ifdef GIL_HOOKS
    if (installed_)
      GIL_INSTALL_HOOKS(before_);
#endif
    if (mode_ != hold)
      errno = errno_;
  }

  guard(const guard &) = delete;
  guard &operator=(const guard &) = delete;

  /* After the call returned; `woken`: because a signal has come. */
  void finish(bool woken = false) {
    if (mode_ != hold)
      errno_ = errno; /* of the library, for what looks at the result */
    take_back();
    if (errors::raised_inside.load(std::memory_order_relaxed) && PyErr_Occurred())
      raised_ = true;
    else if (woken && PyErr_CheckSignals())
      raised_ = true;
    if (claimed_)
      errors::defer(claimed_, nullptr); /* too late to end this call */
    if (raised_)
      throw interrupted{};
  }

  /* In a handler, after the call threw. */
  void fail(bool woken = false) {
    take_back();
    if (woken && !PyErr_Occurred())
      raised_ = PyErr_CheckSignals() != 0;
    if (claimed_ && raised_)
      errors::defer(claimed_, nullptr);
    else if (claimed_)
      errors::set(claimed_);
  }

private:
  void let_go() {
    main_ = interrupts::is_main_thread();
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
    bool needed = expected_ns < 0;
    bool worth_it = (needed || expected_ns > GIL_THRESHOLD_NS) && !self->raised_;
    if (!self->state_)
      self->main_ = interrupts::is_main_thread();
    self->lends_ |= needed;
    if ((self->mode_ == when_blocking || needed) && !self->state_ && worth_it) {
      self->raised_ = !needed && !(GIL_MAY_WAIT());
      if (!self->raised_)
        self->let_go();
    }
    bool claims = self->may_raise_ && shared::the->deferring;
    self->hooks_.poll = self->main_ || claims || self->raised_ ? poll : nullptr;
  }

  static void leave(void *user) {
    guard *self = static_cast<guard *>(user);
    if (--self->depth_ == 0 && (self->mode_ == when_blocking || self->lends_)) {
      self->lends_ = false;
      if (self->mode_ != release)
        self->take_back();
    }
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
  const GIL_HOOKS *before_ = nullptr;
  bool installed_ = false;
  int depth_ = 0; /* of waits that are part of a longer operation */
  bool lends_ = false; /* the GIL, in one of them, whatever the policy */
#endif
  mode mode_ = hold;
  int errno_ = 0;
  [[maybe_unused]] bool may_raise_; /* with hooks */
  bool main_ = false;
  bool raised_ = false;          /* by a signal handler */
  PyObject *claimed_ = nullptr;  /* what a callback has raised: this call raises it */
  PyThreadState *state_ = nullptr; /* not null: released */
};

template <class... Types>
constexpr bool touches_python = (std::is_same_v<std::remove_cv_t<Types>, PyObject *> || ...);

/* What is not said to release the GIL keeps it where it is needed. */
template <mode Declared, bool Said, bool TouchesPython> constexpr mode mode_of() {
  static_assert(!Said || !TouchesPython || Declared == hold,
                "this call takes or returns a PyObject *, and so touches Python: it cannot block, "
                "compute or close without the GIL. Say %quick of it, or give it other parameters");
  return TouchesPython ? hold : Declared;
}

/* The arguments that handles may be among. */
template <closes What, class... Objects> struct in_use;
template <class First, class Second, class Third, class Fourth>
struct in_use<closes::handle, First, Second, Third, Fourth> { /* it waits until none is */
  static constexpr bool ends = false;
  in_use(const First &, const Second &, const Third &, const Fourth &) {}
};
template <closes What, class First, class Second, class Third, class Fourth>
struct in_use<What, First, Second, Third, Fourth> {
  static constexpr bool ends =
      use<First>::ends || use<Second>::ends || use<Third>::ends || use<Fourth>::ends;
  in_use(const First &first, const Second &second, const Third &third, const Fourth &fourth)
      : first_(first), second_(second), third_(third), fourth_(fourth) {}
  use<First> first_;
  use<Second> second_;
  use<Third> third_;
  use<Fourth> fourth_;
};
#define GIL_USE(CLOSES)                                                                            \
  [[maybe_unused]] gil::in_use<gil::closes::CLOSES, decltype(arg1), decltype(arg2),               \
                               decltype(arg3), decltype(arg4)>                                     \
      in_use(arg1, arg2, arg3, arg4)
template <closes What, class Object> struct turn_of : turn<Object> {
  explicit turn_of(const Object &object) : turn<Object>(object) {}
};
template <class Object> struct turn_of<closes::handle, Object> { /* it ends those that have it */
  explicit turn_of(const Object &) {}
};
#define GIL_TURN(CLOSES)                                                                           \
  [[maybe_unused]] gil::turn_of<gil::closes::CLOSES, decltype(arg1)> turn(arg1)

#ifdef SWIG_DIRECTORS
#define GIL_FIRST missing::nothing /* a director's own object, which is only kept */
#else
#define GIL_FIRST decltype(arg1)
#endif
#define GIL_MODE(MODE, SAID)                                                                       \
  gil::mode_of<gil::MODE, SAID,                                                                    \
               gil::touches_python<decltype(result), GIL_FIRST, decltype(arg2), decltype(arg3),   \
                                   decltype(arg4), decltype(arg5), decltype(arg6), decltype(arg7), \
                                   decltype(arg8), decltype(arg9), decltype(arg10)>>()

} // namespace gil

}
%}

/* The frame around every call. SAID: somebody has said so of this very call. RULE: whether it raises
 * what a callback has raised. CLOSES: its first argument is closed. */
%define %gil_frame(MODE, SAID, RULE, CLOSES)
  (void)self;
  ERRORS_WRAPS("$decl");
  if (ERRORS_MAY_RAISE("$decl", RULE) && errors::raise_deferred())
    SWIG_fail;
  try {
    GIL_USE(CLOSES);
    constexpr gil::closes gil_closes =
        errors::is_destructor("$decl") ? gil::closes::first : gil::closes::CLOSES;
    [[maybe_unused]] const uintptr_t gil_closing = gil::closing<gil_closes>(arg1);
    gil::guard guard(GIL_MODE(MODE, SAID), ERRORS_MAY_RAISE("$decl", RULE));
    try {
      GIL_TURN(CLOSES);
      $action
      gil::keep<decltype(in_use)::ends>(kit_text, result);
    }
    ERRORS_LET_THREAD_END
    catch (...) {
      guard.fail();
      throw;
    }
    guard.finish();
    gil::make<decltype(result)>::of(result);
    gil::closed<gil_closes>(gil_closing);
  }
  ERRORS_CATCH
%enddef

/* The same for a call that WAKE ends. */
%define %gil_waking_frame(WAKE)
  (void)self;
  ERRORS_WRAPS("$decl");
  if (ERRORS_MAY_RAISE("$decl", raises) && errors::raise_deferred())
    SWIG_fail;
  try {
    GIL_USE(nothing);
    interrupts::waker waker([&] { WAKE; });
    gil::guard guard(GIL_MODE(release, true), true);
    try {
      GIL_TURN(nothing);
      $action
      gil::keep<decltype(in_use)::ends>(kit_text, result);
    }
    ERRORS_LET_THREAD_END
    catch (...) {
      guard.fail(waker.finish());
      throw;
    }
    guard.finish(waker.finish());
    gil::make<decltype(result)>::of(result);
  }
  ERRORS_CATCH
%enddef

%typemap(out, pytype="str | None", noblock=1, fragment="SWIG_FromCharPtr")
    char * (gil::returned_text kit_text), const char * (gil::returned_text kit_text) {
  $result = SWIG_FromCharPtr(kit_text.of($1));
}
/* C's own: SWIG's uses delete[]. */
%typemap(newfree, noblock=1) char * { free($1); }

%define %gil_default(MODE)
%exception { %gil_frame(MODE, false, unsaid, nothing) }
%init %{
  gil::default_mode = gil::MODE;
%}
%enddef

%define %gil_declare(NAME, MODE, RULE, CLOSES)
%exception NAME { %gil_frame(MODE, true, RULE, CLOSES) }
%init %{
  gil::declared()[#NAME] = gil::MODE;
  errors::say(#NAME);
%}
%enddef

%define %gil_release_one(NAME)
%gil_declare(NAME, release, unsaid, nothing)
%enddef
%define %gil_hold_one(NAME)
%gil_declare(NAME, hold, unsaid, nothing)
%enddef
%define %gil_when_blocking_one(NAME)
%gil_declare(NAME, when_blocking, unsaid, nothing)
%enddef
%define %blocks_one(NAME)
%gil_declare(NAME, when_blocking, raises, nothing)
%enddef
%define %computes_one(NAME)
%gil_declare(NAME, release, raises, nothing)
%enddef
%define %quick_one(NAME)
%gil_declare(NAME, hold, never, nothing)
%enddef
%define %closes_one(NAME)
%gil_declare(NAME, release, never, first)
%enddef

%define %gil_release(NAMES...)
%formacro(%gil_release_one, NAMES)
%enddef
%define %gil_hold(NAMES...)
%formacro(%gil_hold_one, NAMES)
%enddef
%define %gil_when_blocking(NAMES...)
%formacro(%gil_when_blocking_one, NAMES)
%enddef
%define %wakes_one(WAKE, NAME)
%exception NAME { %gil_waking_frame(WAKE) }
%init %{
  gil::declared()[#NAME] = gil::release;
  errors::say(#NAME);
%}
%enddef
%define %wakes(WAKE, NAMES...)
%each_with(%wakes_one, WAKE, NAMES)
%enddef
%define %blocks(NAMES...)
%formacro(%blocks_one, NAMES)
%enddef
%define %computes(NAMES...)
%formacro(%computes_one, NAMES)
%enddef
%define %quick(NAMES...)
%formacro(%quick_one, NAMES)
%enddef
%define %closes(NAMES...)
%formacro(%closes_one, NAMES)
%enddef

%gil_default(release)

%quick(gil_set_policy, gil_get_policy, gil_releases, gil_declared, gil_default, put_back_package)

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
    shared::the->policy = gil::as_declared;
  else if (policy == "release")
    shared::the->policy = gil::release_all;
  else if (policy == "hold")
    shared::the->policy = gil::hold_all;
  else
    throw std::invalid_argument("policy must be 'auto', 'release' or 'hold', got '" + policy + "'");
}

const char *gil_get_policy() {
  static const char *const names[] = {"auto", "release", "hold"};
  return names[shared::the->policy];
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

%feature("docstring") put_back_package
  "Puts the modules of the package that this one is part of back into sys.modules.";
%typemap(out, pytype="None") int put_back_package "$result = $1 ? nullptr : Py_NewRef(Py_None);"
%inline %{
int put_back_package() { return module::package ? module::put_back(module::package) : 0; }
%}
%clear int put_back_package;

#endif
