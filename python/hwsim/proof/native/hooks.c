#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#define PY_SSIZE_T_CLEAN
#include "hooks.h"

#include <Python.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "slots.h"
#include "thread.h"

enum { SAVE, RESTORE, RELEASE_THREAD, ACQUIRE_THREAD, ENSURE, LEAVE, CHECK, OPEN, TARGETS };

static slot_target targets[TARGETS];
static int installed;
static atomic_bool stale; /* an object may have been loaded whose slots were not looked at */

#define REAL(index, result, ...) ((result (*)(__VA_ARGS__))targets[index].real)

void hooks_refresh(void) {
  if (atomic_load_explicit(&stale, memory_order_relaxed) && atomic_exchange(&stale, false)) {
    slots_redirect(targets, TARGETS);
  }
}

/* ------------------------------------------------------------------ the GIL goes and comes ---- */

/* The calling thread has just released it. */
static inline void released(thread *self, const void *caller) {
  const int64_t now = now_ns();
  hold_ends(self, now);
  self->released_at = now;
  self->caller = caller;
  self->sums.releases++;
}

/* It asked for it then, and has it now. */
static inline void retaken(thread *self, int64_t asked) {
  const int64_t now = now_ns();
  if (self->released_at) {
    self->sums.released += asked - self->released_at;
    self->sums.wait += now - asked;
    if (atomic_load_explicit(&threads_recording, memory_order_relaxed)) {
      thread_keep(self, (span){self->released_at, asked, now, self->caller, self->call});
    }
  } else if (atomic_load_explicit(&threads_recording, memory_order_relaxed)) {
    thread_keep(self, (span){0, asked, now, NULL, -1});
  }
  self->released_at = 0;
  self->since = now;
}

/* Those that CPython's own functions call within one another are part of the outer one. */

static PyThreadState *save(void) {
  thread *self = thread_self();
  PyThreadState *state = REAL(SAVE, PyThreadState *, void)();
  if (self && !self->passing)
    released(self, __builtin_return_address(0));
  return state;
}

static void restore(PyThreadState *state) {
  thread *self = thread_self();
  if (!self || self->passing) {
    REAL(RESTORE, void, PyThreadState *)(state);
    return;
  }
  const int64_t asked = now_ns();
  self->passing = true;
  REAL(RESTORE, void, PyThreadState *)(state); /* may end the thread, at exit */
  self->passing = false;
  retaken(self, asked);
  hooks_refresh();
}

static void release_thread(PyThreadState *state) {
  thread *self = thread_self();
  REAL(RELEASE_THREAD, void, PyThreadState *)(state);
  if (self && !self->passing)
    released(self, __builtin_return_address(0));
}

static void acquire_thread(PyThreadState *state) {
  thread *self = thread_self();
  if (!self || self->passing) {
    REAL(ACQUIRE_THREAD, void, PyThreadState *)(state);
    return;
  }
  const int64_t asked = now_ns();
  self->passing = true;
  REAL(ACQUIRE_THREAD, void, PyThreadState *)(state);
  self->passing = false;
  retaken(self, asked);
}

static PyGILState_STATE ensure(void) {
  thread *self = thread_self();
  if (!self || self->passing)
    return REAL(ENSURE, PyGILState_STATE, void)();
  const int64_t asked = now_ns();
  self->passing = true;
  const PyGILState_STATE before = REAL(ENSURE, PyGILState_STATE, void)();
  self->passing = false;
  if (before == PyGILState_UNLOCKED)
    retaken(self, asked);
  return before;
}

static void leave(PyGILState_STATE before) {
  thread *self = thread_self();
  if (!self || self->passing) {
    REAL(LEAVE, void, PyGILState_STATE)(before);
    return;
  }
  self->passing = true;
  REAL(LEAVE, void, PyGILState_STATE)(before);
  self->passing = false;
  if (before == PyGILState_UNLOCKED)
    released(self, __builtin_return_address(0));
}

static int check(void) {
  thread *self = thread_self();
  if (self)
    self->sums.checks++;
  return REAL(CHECK, int, void)();
}

/* ------------------------------------------------------------------------------ loaded later -- */

/* The loader looks at who calls it: where a name without a folder is searched depends on that. Then
 * this must be a jump, and the object is looked at as soon as something else happens. */
static void *open_object(const char *name, int flags) {
  if (!name || !strchr(name, '/')) {
    atomic_store(&stale, true);
    return REAL(OPEN, void *, const char *, int)(name, flags);
  }
  void *object = REAL(OPEN, void *, const char *, int)(name, flags);
  if (object)
    slots_redirect(targets, TARGETS);
  return object;
}

/* ------------------------------------------------------------------------ what is redirected -- */

static void define(int index, const char *name, void *hook) {
  targets[index] = (slot_target){name, hook, NULL};
}

void hooks_setup(void) {
  define(SAVE, "PyEval_SaveThread", (void *)save);
  define(RESTORE, "PyEval_RestoreThread", (void *)restore);
  define(RELEASE_THREAD, "PyEval_ReleaseThread", (void *)release_thread);
  define(ACQUIRE_THREAD, "PyEval_AcquireThread", (void *)acquire_thread);
  define(ENSURE, "PyGILState_Ensure", (void *)ensure);
  define(LEAVE, "PyGILState_Release", (void *)leave);
  define(CHECK, "PyErr_CheckSignals", (void *)check);
  define(OPEN, "dlopen", (void *)open_object);
  slots_resolve(targets, TARGETS);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of `installed` */

int hooks_install(void) {
  pthread_mutex_lock(&mutex);
  int error = 0;
  if (!installed) {
    clock_setup();
    error = slots_redirect(targets, TARGETS);
  }
  if (!error)
    installed++;
  pthread_mutex_unlock(&mutex);
  return error;
}

int hooks_remove(void) {
  pthread_mutex_lock(&mutex);
  int error = 0;
  if (installed == 1)
    error = slots_restore(targets, TARGETS);
  if (installed && !error)
    installed--;
  pthread_mutex_unlock(&mutex);
  return error;
}

bool hooks_in_interpreter(const void *address) {
  Dl_info own, other;
  return address && dladdr((void *)PyObject_CallObject, &own) && dladdr(address, &other) &&
         own.dli_fbase == other.dli_fbase;
}

uint64_t hooks_releases(void) {
  const thread *self = thread_self();
  return self ? self->sums.releases : 0;
}
