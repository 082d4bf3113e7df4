/* A small extension that does right what the proof looks at. Each control is this one with a step
 * replaced before it is included, so that it is wrong in that step and in nothing else.
 *
 *   wait(seconds) -> float       a slow call: takes that long and returns its argument
 *   Source(callback)             calls back: callback(number) for each number from 0
 *     .run(count)                in the calling thread
 *     .start(count)              in a native thread of its own
 *     .close()                   ends both; a callback that is being called may go on
 *
 * The build defines CONTROL, the name of the module. */
#ifndef CONTROL_H
#define CONTROL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The steps, and how they are done right. */

#ifndef KEEPS_GIL /* after this many of so many seconds, does the call go on without releasing? */
#define KEEPS_GIL(waited, total) 0
#endif
#ifndef LOOKS_FOR_SIGNALS /* whether a slow call obeys Ctrl-C before it is done */
#define LOOKS_FOR_SIGNALS 1
#endif
#ifndef ENTER /* the driver's part of a call, without the GIL: 0, or -1 once STOP() said so */
#define ENTER(seconds) 0
#endif
#ifndef LEAVE /* what the driver answers */
#define LEAVE(seconds) (seconds)
#endif
#ifndef FREES_SCRATCH /* a call has a buffer; is it freed at its end? */
#define FREES_SCRATCH(failed) 1
#endif
#ifndef CLOSES_PORT /* a call opens a descriptor; is it closed? */
#define CLOSES_PORT 1
#endif
#ifndef EXTRA_REFERENCES /* what a call does too much to its argument and to its result */
#define EXTRA_REFERENCES(argument, result)
#endif
#ifndef CALLBACK_FAILED /* an exception is set: -1 ends the run with it */
#define CALLBACK_FAILED(callback) -1
#endif
#ifndef CLOSE_WAITS /* whether close() waits until no callback is being called */
#define CLOSE_WAITS 0
#endif
#ifndef CLOSE_FREES /* whether it frees what a run still uses */
#define CLOSE_FREES 0
#endif

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Sleeps until then, whatever signals come. */
static void nap_until(double end) {
  for (double left = end - now(); left > 0; left = end - now()) {
    struct timespec time = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
    nanosleep(&time, NULL);
  }
}

/* ------------------------------------------------------------------------------ the slow call */

#define SLICE 0.01 /* seconds between two looks for signals */

/* Waits, in slices; -1: a signal handler raised. */
static int wait_for(double seconds) {
  const double slice = LOOKS_FOR_SIGNALS ? SLICE : seconds; /* nobody looks: one long wait */
  /* By slices, not by the clock: on a busy machine a half of them would be no half of the time. */
  for (double waited = 0; waited < seconds; waited += slice) {
    PyThreadState *state = KEEPS_GIL(waited, seconds) ? NULL : PyEval_SaveThread();
    nap_until(now() + (slice < seconds - waited ? slice : seconds - waited));
    if (state)
      PyEval_RestoreThread(state);
    if (LOOKS_FOR_SIGNALS && PyErr_CheckSignals())
      return -1;
  }
  return 0;
}

/* Used by ENTER in controls whose driver waits for something: releases for a slice. */
static inline int pause_and_look(void) {
  PyThreadState *state = PyEval_SaveThread();
  nap_until(now() + SLICE / 10);
  PyEval_RestoreThread(state);
  return PyErr_CheckSignals();
}

static PyObject *slow_call(PyObject *module, PyObject *argument) {
  (void)module;
  double seconds = PyFloat_AsDouble(argument);
  if (seconds == -1 && PyErr_Occurred())
    return NULL;

  PyObject *result = NULL;
  char *scratch = malloc(1000);
  const int port = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (!scratch || port < 0) {
    PyErr_SetFromErrno(PyExc_OSError);
  } else if (!(seconds >= 0)) {
    PyErr_SetString(PyExc_ValueError, "seconds must be 0 or more");
  } else if (!ENTER(seconds)) {
    const int stopped = wait_for(seconds);
    seconds = LEAVE(seconds);
    if (!stopped)
      result = PyFloat_FromDouble(seconds);
  }
  EXTRA_REFERENCES(argument, result);
  if (FREES_SCRATCH(!result))
    free(scratch);
  if (port >= 0 && CLOSES_PORT)
    close(port);
  return result;
}

/* ------------------------------------------------------------------------------- the callbacks */

/* What a source and its native thread share; the last of them frees it. */
typedef struct state {
  PyObject *callback;
  atomic_int owners;
  atomic_int running; /* runs, in any thread */
  atomic_int closed;
  long count; /* of the native thread */
} state;

typedef struct source {
  PyObject_HEAD state *state;
} source;

static void release(state *self) {
  if (atomic_fetch_sub(&self->owners, 1) > 1)
    return;
  Py_DECREF(self->callback);
  free(self);
}

/* Calls back until count, or closed; with the GIL. The number of calls, or -1 and an exception. */
static long call_back(source *owner, state *self, long count) {
  long done = 0;
  atomic_fetch_add(&self->running, 1);
  while (done < count && !atomic_load(&self->closed)) {
    PyObject *result = PyObject_CallFunction(self->callback, "l", done);
    if (CLOSE_FREES && owner)
      self = owner->state;
    if (!result && CALLBACK_FAILED(self->callback)) {
      done = -1;
      break;
    }
    if (!result)
      PyErr_Clear();
    Py_XDECREF(result);
    done++;
    Py_BEGIN_ALLOW_THREADS;
    nap_until(now() + 0.001);
    Py_END_ALLOW_THREADS;
  }
  atomic_fetch_sub(&self->running, 1);
  return done;
}

static PyObject *source_run(PyObject *object, PyObject *argument) {
  source *self = (source *)object;
  const long count = PyLong_AsLong(argument);
  if (count == -1 && PyErr_Occurred())
    return NULL;
  if (atomic_load(&self->state->closed)) {
    PyErr_SetString(PyExc_ValueError, "the source is closed");
    return NULL;
  }
  state *shared = self->state;
  atomic_fetch_add(&shared->owners, 1);
  const long done = call_back(self, shared, count);
  release(shared);
  return done < 0 ? NULL : PyLong_FromLong(done);
}

/* The native thread. Nobody is there to raise to: the error goes to sys.unraisablehook. */
static void *deliver(void *argument) {
  state *self = argument;
  PyGILState_STATE gil = PyGILState_Ensure();
  if (call_back(NULL, self, self->count) < 0)
    PyErr_WriteUnraisable(self->callback);
  release(self);
  PyGILState_Release(gil);
  return NULL;
}

static PyObject *source_start(PyObject *object, PyObject *argument) {
  state *self = ((source *)object)->state;
  self->count = PyLong_AsLong(argument);
  if (self->count == -1 && PyErr_Occurred())
    return NULL;
  atomic_fetch_add(&self->owners, 1);
  pthread_t thread;
  if ((errno = pthread_create(&thread, NULL, deliver, self))) {
    release(self);
    return PyErr_SetFromErrno(PyExc_OSError);
  }
  pthread_detach(thread);
  Py_RETURN_NONE;
}

static void close_state(state *self) {
  atomic_store(&self->closed, 1);
  while (CLOSE_WAITS && atomic_load(&self->running)) {
    Py_BEGIN_ALLOW_THREADS;
    nap_until(now() + SLICE);
    Py_END_ALLOW_THREADS;
  }
}

static PyObject *source_close(PyObject *object, PyObject *unused) {
  (void)unused;
  source *self = (source *)object;
  if (self->state)
    close_state(self->state);
  if (CLOSE_FREES)
    self->state = NULL; /* leaked, so that the crash is a sure one */
  Py_RETURN_NONE;
}

static PyObject *source_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  PyObject *callback;
  if (keywords || !PyArg_ParseTuple(arguments, "O:Source", &callback))
    return NULL;
  state *shared = calloc(1, sizeof *shared);
  source *self = shared ? (source *)type->tp_alloc(type, 0) : NULL;
  if (!self) {
    free(shared);
    return PyErr_NoMemory();
  }
  shared->callback = Py_NewRef(callback);
  atomic_init(&shared->owners, 1);
  self->state = shared;
  return (PyObject *)self;
}

static void source_dealloc(PyObject *object) {
  source *self = (source *)object;
  PyTypeObject *type = Py_TYPE(object);
  if (self->state) {
    close_state(self->state);
    release(self->state);
  }
  type->tp_free(object);
  Py_DECREF(type);
}

/* --------------------------------------------------------------------------------- the module */

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)
#define INIT_OF(name) PyInit_##name
#define INIT(name) INIT_OF(name)

static PyMethodDef source_methods[] = {
    {"run", source_run, METH_O, NULL},
    {"start", source_start, METH_O, NULL},
    {"close", source_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot source_slots[] = {
    {Py_tp_new, (void *)source_new},
    {Py_tp_dealloc, (void *)source_dealloc},
    {Py_tp_methods, source_methods},
    {0, NULL},
};

static PyType_Spec source_spec = {
    .name = TEXT(CONTROL) ".Source",
    .basicsize = sizeof(source),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = source_slots,
};

static int add_source(PyObject *module) {
  PyObject *type = PyType_FromSpec(&source_spec);
  if (!type)
    return -1;
  const int status = PyModule_AddType(module, (PyTypeObject *)type);
  Py_DECREF(type);
  return status;
}

static PyMethodDef module_methods[] = {
    {"wait", slow_call, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)add_source},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = TEXT(CONTROL),
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC INIT(CONTROL)(void) { return PyModuleDef_Init(&definition); }

#endif
