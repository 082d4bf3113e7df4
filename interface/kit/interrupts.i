/* interrupts.i: Ctrl-C in the main thread while it is in a call of a library. Reusable: it names
 * nothing of any library.
 *
 * For a library that neither tells when it waits (gil.i) nor returns when a signal has come, but can
 * be woken up by another thread: %wakes(WAKE, NAMES...) in gil.i. On SIGINT a thread of the kit runs
 * WAKE, again every 50 ms until the call has returned; then the signal handlers run, and what they
 * raise is what the call raises. A handler that does not raise has ended the call as well: with
 * whatever the library makes of WAKE.
 */
#ifndef KIT_INTERRUPTS_I
#define KIT_INTERRUPTS_I

%include "../kit/shared.i"

%{
#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

namespace interrupts {

/* Python runs signal handlers on its main thread only. That is the one that initialised it, or that
 * called fork(); not always the one that threading.main_thread() names before 3.13, which is the
 * first that has imported threading. With the GIL. */
#if PY_VERSION_HEX < 0x030D0000
[[maybe_unused]] static void remember_main_thread() {}
[[maybe_unused]] static bool is_main_thread() { return _PyOS_IsMainThread(); }
#else
static std::atomic<unsigned long> main_thread{0};

[[maybe_unused]] static void remember_main_thread() {
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

[[maybe_unused]] static bool is_main_thread() { return PyThread_get_thread_ident() == main_thread; }
#endif

/* Lives around a call that a statement wakes up; what counts is only done on the main thread. */
class [[gnu::visibility("hidden")]] waker {
public:
  explicit waker(std::function<void()> wake) : wake_(std::move(wake)) {
    if (!is_main_thread())
      return;
    watcher &one = watcher::get();
    if (one.pipe_[1] < 0)
      return;
    std::lock_guard<std::mutex> lock(one.mutex_);
    before_ = one.current_;
    one.current_ = this;
    active_ = true;
    if (!before_)
      listen(one.pipe_[1]);
  }
  ~waker() { finish(); }
  waker(const waker &) = delete;
  waker &operator=(const waker &) = delete;

  /* After the call: whether a signal has come. errno stays what it is. */
  bool finish() {
    if (!active_)
      return signalled_;
    int saved = errno;
    watcher &one = watcher::get();
    std::lock_guard<std::mutex> lock(one.mutex_); /* it is not being woken, and will not be */
    active_ = false;
    one.current_ = before_;
    if (!before_)
      listen(-1);
    errno = saved;
    return signalled_;
  }

private:
  /* Has SIGINT written to a descriptor before it goes on to Python's handler; -1: no more. Where it is
   * ignored, or ends the process, it still is and does. */
  static void listen(int fd) {
    if (fd < 0) {
      if (fd_ >= 0)
        sigaction(SIGINT, &usual_, nullptr);
      fd_ = -1;
      return;
    }
    sigaction(SIGINT, nullptr, &usual_);
    if (usual_.sa_handler == SIG_IGN || usual_.sa_handler == SIG_DFL)
      return;
    fd_ = fd;
    struct sigaction ours = usual_;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_sigaction = hear;
    sigaction(SIGINT, &ours, nullptr);
  }

  static void hear(int number, siginfo_t *information, void *context) {
    int saved = errno;
    [[maybe_unused]] ssize_t written = write(fd_, "", 1); /* full: it will be read anyway */
    errno = saved;
    if (usual_.sa_flags & SA_SIGINFO)
      usual_.sa_sigaction(number, information, context);
    else
      usual_.sa_handler(number);
  }

  static inline struct sigaction usual_; /* of the main thread's, which alone changes them */
  static inline volatile int fd_ = -1;

  /* The thread that hears of SIGINT. One for the module, for good; another one after fork(). */
  class watcher {
  public:
    static watcher &get() {
      static std::atomic<watcher *> the{nullptr};
      watcher *found = the.load();
      if (!found || found->pid_ != getpid())
        the = found = new watcher; /* the main thread alone asks */
      return *found;
    }

    std::mutex mutex_;
    waker *current_ = nullptr;
    int pipe_[2] = {-1, -1};

  private:
    watcher() : pid_(getpid()) {
      if (pipe(pipe_)) {
        pipe_[0] = pipe_[1] = -1;
        return;
      }
      for (int fd : pipe_) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
      }
      sigset_t all, mask;
      sigfillset(&all); /* signals are other threads' business */
      pthread_sigmask(SIG_SETMASK, &all, &mask);
      try {
        std::thread([this] { run(); }).detach();
      }
      catch (const std::exception &) {
        pipe_[1] = -1;
      }
      pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    }

    [[noreturn]] void run() {
      bool again = false;
      for (;;) {
        pollfd readable = {pipe_[0], POLLIN, 0};
        poll(&readable, 1, again ? 50 : -1);
        char signals[64];
        ssize_t count = read(pipe_[0], signals, sizeof signals);
        std::lock_guard<std::mutex> lock(mutex_);
        if (count > 0 && current_)
          current_->signalled_ = true;
        again = current_ && current_->signalled_;
        if (again)
          current_->wake_();
      }
    }

    pid_t pid_;
  };

  std::function<void()> wake_;
  waker *before_ = nullptr;
  bool active_ = false, signalled_ = false;
};

} // namespace interrupts
%}

%init %{
  interrupts::remember_main_thread();
  if (PyErr_Occurred())
    return -1;
%}

#endif
