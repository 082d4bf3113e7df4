#include "measure.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "thread.h"

/* Two threads watch the call. One only looks whether the calling thread has the GIL. The other, the
 * ticker, asks for the GIL again and again, and so knows how long others have to wait for it. On
 * free-threaded Python it collects garbage, for which all threads must stop. */
typedef struct watch {
  PyThreadState *target;
  int64_t period, usual; /* how long a tick takes that waits for nobody */
  sem_t ready;
  _Atomic int64_t end; /* of the call; 0: it is going on */
  struct {
    int64_t n, attached;
  } samples;
  struct {
    int64_t n, longest;
  } ticks;
} watch;

static void pause_for(int64_t ns) {
  struct timespec left = {ns / 1000000000, ns % 1000000000};
  while (nanosleep(&left, &left) && errno == EINTR) {
  }
}

/* Whether a thread has the GIL, read from another that has not; -1: it stops for the ticker. */
static int is_attached(PyThreadState *state) {
#if PY_VERSION_HEX >= 0x030d0000
  const int value = __atomic_load_n(&state->state, __ATOMIC_RELAXED);
  return value == 2 ? -1 : value;
#elif PY_VERSION_HEX >= 0x030c0000
  return ((volatile PyThreadState *)state)->_status.active;
#else
  return _PyThreadState_UncheckedGet() == state;
#endif
}

static void *sample(void *argument) {
  watch *watch = argument;
  int attached = -1; /* not known yet */
  sem_post(&watch->ready);
  for (;;) {
    pause_for(watch->period);
    const int now = is_attached(watch->target);
    if (atomic_load(&watch->end))
      return NULL;
    if (now >= 0) /* else it is as before: only those that detach are stopped at once */
      attached = now;
    if (attached >= 0) {
      watch->samples.n++;
      watch->samples.attached += attached;
    }
  }
}

static void tick_once(void) {
#ifdef Py_GIL_DISABLED
  PyGC_Collect();
#endif
}

static void *tick(void *argument) {
  watch *watch = argument;
  const PyGILState_STATE before = PyGILState_Ensure();
  watch->usual = INT64_MAX;
  for (int i = 0; i < 3; i++) { /* the first finds what nobody else will */
    const int64_t start = now_ns();
    tick_once();
    const int64_t took = now_ns() - start;
    if (took < watch->usual)
      watch->usual = took;
  }
  PyThreadState *state = PyEval_SaveThread();
  sem_post(&watch->ready);
  while (!atomic_load(&watch->end)) {
    pause_for(watch->period);
    const int64_t asked = now_ns();
    PyEval_RestoreThread(state);
    tick_once();
    const int64_t done = now_ns();
    state = PyEval_SaveThread();
    const int64_t end = atomic_load(&watch->end);
    if (end && asked >= end)
      break;
    int64_t took = done - asked - watch->usual;
    if (end && took > end - asked) /* the rest it waited for something else */
      took = end - asked;
    watch->ticks.n++;
    if (took > watch->ticks.longest)
      watch->ticks.longest = took;
  }
  PyEval_RestoreThread(state);
  PyGILState_Release(before);
  return NULL;
}

static PyObject *described(const watch *watch, const sums *sums, int64_t wall, PyObject *error) {
  const struct {
    const char *name;
    int64_t value;
  } figures[] = {
      {"wall", wall},
      {"held", sums->held},
      {"longest", sums->longest},
      {"released", sums->released},
      {"wait", sums->wait},
      {"releases", (int64_t)sums->releases},
      {"checks", (int64_t)sums->checks},
      {"samples", watch->samples.n},
      {"attached", watch->samples.attached},
      {"ticks", watch->ticks.n},
      {"tick_longest", watch->ticks.longest},
  };
  PyObject *result = PyDict_New();
  for (size_t i = 0; result && i < sizeof figures / sizeof *figures; i++) {
    PyObject *value = PyLong_FromLongLong(figures[i].value);
    if (!value || PyDict_SetItemString(result, figures[i].name, value))
      Py_CLEAR(result);
    Py_XDECREF(value);
  }
  if (result && PyDict_SetItemString(result, "error", error))
    Py_CLEAR(result);
  return result;
}

static PyObject *raised(void) {
#if PY_VERSION_HEX >= 0x030c0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback && value)
    PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
#endif
}

PyObject *measure(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
  (void)module;
  if (n != 3 || !PyTuple_Check(arguments[1])) {
    PyErr_SetString(PyExc_TypeError, "measure(function, args: tuple, period_ns: int)");
    return NULL;
  }
  watch watch = {.target = PyThreadState_Get(), .period = PyLong_AsLongLong(arguments[2])};
  if (watch.period <= 0) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_ValueError, "period_ns must be positive");
    return NULL;
  }
  thread *self = thread_self();
  if (!self)
    return PyErr_NoMemory();
  sem_init(&watch.ready, 0, 0);
  pthread_t threads[2];
  void *(*const bodies[2])(void *) = {sample, tick};
  int started = 0, error = 0;
  while (started < 2 && !error) {
    error = pthread_create(&threads[started], NULL, bodies[started], &watch);
    started += !error;
  }
  Py_BEGIN_ALLOW_THREADS for (int i = 0; i < started; i++) {
    while (sem_wait(&watch.ready) && errno == EINTR) {
    }
  }
  Py_END_ALLOW_THREADS PyObject *failure = NULL;
  sums sums = {0};
  int64_t start = 0, end = 1;
  if (!error) {
    self->sums = sums;
    self->since = start = now_ns();
    PyObject *value = PyObject_CallObject(arguments[0], arguments[1]);
    end = now_ns();
    hold_ends(self, end);
    sums = self->sums;
    failure = value ? Py_NewRef(Py_None) : raised();
    Py_XDECREF(value);
  }
  atomic_store(&watch.end, end);
  Py_BEGIN_ALLOW_THREADS for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
  Py_END_ALLOW_THREADS sem_destroy(&watch.ready);
  if (error) {
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
  }
  PyObject *result = described(&watch, &sums, end - start, failure);
  Py_XDECREF(failure);
  return result;
}

/* ------------------------------------------------------------------------ calls that are known --
 */

static bool seconds_of(PyObject *argument, int64_t *ns) {
  const double seconds = PyFloat_AsDouble(argument);
  if (seconds == -1 && PyErr_Occurred())
    return false;
  if (!(seconds >= 0 && seconds < 1e6)) {
    PyErr_Format(PyExc_ValueError, "seconds must be from 0 to 1e6, got %R", argument);
    return false;
  }
  *ns = (int64_t)(seconds * 1e9);
  return true;
}

PyObject *hold_for(PyObject *module, PyObject *seconds) {
  (void)module;
  int64_t ns;
  if (!seconds_of(seconds, &ns))
    return NULL;
  pause_for(ns);
  Py_RETURN_NONE;
}

PyObject *wait_for(PyObject *module, PyObject *seconds) {
  (void)module;
  int64_t ns;
  if (!seconds_of(seconds, &ns))
    return NULL;
  Py_BEGIN_ALLOW_THREADS pause_for(ns);
  Py_END_ALLOW_THREADS Py_RETURN_NONE;
}
