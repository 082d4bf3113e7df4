#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#include "calls.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "thread.h"

/* A call that is going on; or Python code that a C function called. */
typedef struct frame {
  int row;            /* -1: Python code */
  int depth;          /* of Python code: how many functions deep */
  PyObject *callable; /* borrowed; only compared */
  PyObject *caller;   /* borrowed: a code object, or before 3.12 a frame; it is being executed */
  int place;
  int64_t entered;
  sums outer; /* of what it interrupts */
} frame;

enum { EVENTS_TO_NAME = 64 };

struct calls {
  uint32_t session;
  PyObject *thread_name; /* of threading.Thread; NULL: not known yet */
  int events;            /* until it is looked up: threading knows a new thread only after some */
  atomic_bool busy;      /* in a callback; which may run Python code, to look up a name */
  rows rows;
  frame *stack;
  int depth, room;
};

static atomic_bool counting;

/* ------------------------------------------------------------------------------------- stack -- */

static frame *push(thread *self, struct calls *calls, int64_t now) {
  if (calls->depth == calls->room) {
    const int room = calls->room ? 2 * calls->room : 64;
    frame *stack = realloc(calls->stack, (size_t)room * sizeof *stack);
    if (!stack)
      return NULL;
    calls->stack = stack;
    calls->room = room;
  }
  hold_ends(self, now); /* of what is interrupted */
  frame *frame = &calls->stack[calls->depth++];
  frame->outer = self->sums;
  frame->entered = now;
  self->sums = (sums){0};
  self->since = now;
  return frame;
}

static void pop(thread *self, struct calls *calls, int64_t now) {
  const frame *frame = &calls->stack[--calls->depth];
  self->sums = frame->outer;
  self->since = now;
  self->call = calls->depth ? calls->stack[calls->depth - 1].row : -1;
}

static void enter_call(thread *self, struct calls *calls, PyObject *callable, PyObject *first,
                       PyObject *caller, int place) {
  const bool labelled = atomic_load_explicit(&threads_recording, memory_order_relaxed);
  const int row = rows_find(&calls->rows, callable, first, labelled);
  if (row < 0)
    return; /* no memory: not counted */
  frame *frame = push(self, calls, now_ns());
  if (!frame)
    return;
  frame->row = row;
  frame->callable = callable;
  frame->caller = caller;
  frame->place = place;
  self->call = row;
}

/* Keeps where the call was made. */
static void note_caller(row *row, const frame *frame) {
#if PY_VERSION_HEX >= 0x030c0000
  Py_XSETREF(row->code, Py_NewRef(frame->caller));
  row->place = frame->place;
#else
  PyFrameObject *python = (PyFrameObject *)frame->caller;
  Py_XSETREF(row->code, (PyObject *)PyFrame_GetCode(python));
  row->place = PyFrame_GetLasti(python);
#endif
}

static void leave_call(thread *self, struct calls *calls, PyObject *callable) {
  const int64_t now = now_ns();
  int depth = calls->depth;
  while (depth && calls->stack[depth - 1].row >= 0 &&
         calls->stack[depth - 1].callable != callable) {
    depth--;
  }
  if (!depth || calls->stack[depth - 1].row < 0)
    return; /* it began before the audit */
  while (calls->depth > depth)
    pop(self, calls, now); /* calls of which no end was told */
  hold_ends(self, now);
  const frame *frame = &calls->stack[depth - 1];
  row *row = &calls->rows.rows[frame->row];
  row->calls++;
  row->wall += now - frame->entered;
  row->sums.held += self->sums.held;
  row->sums.released += self->sums.released;
  row->sums.wait += self->sums.wait;
  row->sums.releases += self->sums.releases;
  row->sums.checks += self->sums.checks;
  if (self->sums.longest > row->sums.longest) {
    row->sums.longest = self->sums.longest;
    note_caller(row, frame);
  }
  pop(self, calls, now);
}

static void enter_python(thread *self, struct calls *calls) {
  if (!calls->depth)
    return;
  frame *top = &calls->stack[calls->depth - 1];
  if (top->row < 0) {
    top->depth++;
    return;
  }
  frame *frame = push(self, calls, now_ns());
  if (!frame)
    return;
  frame->row = -1;
  frame->depth = 1;
  self->call = -1;
}

static void leave_python(thread *self, struct calls *calls) {
  int depth = calls->depth;
  while (depth && calls->stack[depth - 1].row >= 0)
    depth--;
  if (!depth)
    return; /* entered before the audit, or by nothing that it saw */
  const int64_t now = now_ns();
  while (calls->depth > depth)
    pop(self, calls, now);
  if (!--calls->stack[depth - 1].depth)
    pop(self, calls, now);
}

/* --------------------------------------------------------------------------------- callbacks -- */

/* Asks threading for the name of the calling thread. */
static void name_thread(struct calls *calls) {
  PyObject *module = PyImport_ImportModule("threading");
  PyObject *active = module ? PyObject_GetAttrString(module, "_active") : NULL;
  PyObject *ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
  PyObject *thread = active && ident ? PyObject_GetItem(active, ident) : NULL;
  PyObject *name = thread ? PyObject_GetAttrString(thread, "name") : NULL;
  if (name && PyUnicode_Check(name))
    Py_XSETREF(calls->thread_name, Py_NewRef(name));
  Py_XDECREF(name);
  Py_XDECREF(thread);
  Py_XDECREF(ident);
  Py_XDECREF(active);
  Py_XDECREF(module);
  PyErr_Clear();
}

/* Returns what the callback may write to, and end() must be told of; NULL: nothing counts now. */
static struct calls *begin(thread **self) {
  if (!atomic_load_explicit(&counting, memory_order_relaxed))
    return NULL;
  *self = thread_self();
  if (!*self)
    return NULL;
  if (!(*self)->calls)
    (*self)->calls = calloc(1, sizeof *(*self)->calls);
  struct calls *calls = (*self)->calls;
  if (!calls || atomic_exchange(&calls->busy, true))
    return NULL;
  if (!atomic_load(&counting)) { /* audit_stop() reads now */
    atomic_store(&calls->busy, false);
    return NULL;
  }
  if (calls->session != (*self)->session) {
    rows_forget(&calls->rows);
    Py_CLEAR(calls->thread_name);
    calls->depth = calls->events = 0;
    calls->session = (*self)->session;
  }
  if (!calls->thread_name && calls->events < EVENTS_TO_NAME && ++calls->events % 8 == 0) {
    name_thread(calls);
  }
  return calls;
}

static void end(struct calls *calls) {
  atomic_store_explicit(&calls->busy, false, memory_order_release);
}

/* A bound method is known by its function. NULL: it is Python code, and not counted. */
static PyObject *c_callable(PyObject *callable) {
  if (PyMethod_Check(callable))
    callable = PyMethod_GET_FUNCTION(callable);
  return PyFunction_Check(callable) ? NULL : callable;
}

#if PY_VERSION_HEX >= 0x030c0000

PyObject *on_call(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
  (void)module;
  PyObject *callable = n >= 3 ? c_callable(arguments[2]) : NULL;
  thread *self;
  struct calls *calls = callable ? begin(&self) : NULL;
  if (calls) {
    PyObject *first = n >= 4 && !PyType_Check(arguments[3]) ? arguments[3] : NULL;
    enter_call(self, calls, callable, first, arguments[0], (int)PyLong_AsLong(arguments[1]));
    end(calls);
  }
  Py_RETURN_NONE;
}

PyObject *on_return(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
  (void)module;
  PyObject *callable = n >= 3 ? c_callable(arguments[2]) : NULL;
  thread *self;
  struct calls *calls = callable ? begin(&self) : NULL;
  if (calls) {
    leave_call(self, calls, callable);
    end(calls);
  }
  Py_RETURN_NONE;
}

PyObject *on_enter(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
  (void)module, (void)arguments, (void)n;
  thread *self;
  struct calls *calls = begin(&self);
  if (calls) {
    enter_python(self, calls);
    end(calls);
  }
  Py_RETURN_NONE;
}

PyObject *on_leave(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
  (void)module, (void)arguments, (void)n;
  thread *self;
  struct calls *calls = begin(&self);
  if (calls) {
    leave_python(self, calls);
    end(calls);
  }
  Py_RETURN_NONE;
}

static int watch_threads(bool on) {
  (void)on;
  return 0; /* sys.monitoring does, for all of them */
}

#else

static int profile(PyObject *object, PyFrameObject *python, int what, PyObject *callable) {
  (void)object;
  thread *self;
  struct calls *calls = begin(&self);
  if (!calls)
    return 0;
  switch (what) {
  case PyTrace_C_CALL:
    if ((callable = c_callable(callable))) {
      enter_call(self, calls, callable, NULL, (PyObject *)python, 0);
    }
    break;
  case PyTrace_C_RETURN:
  case PyTrace_C_EXCEPTION:
    if ((callable = c_callable(callable)))
      leave_call(self, calls, callable);
    break;
  case PyTrace_CALL: enter_python(self, calls); break;
  case PyTrace_RETURN: leave_python(self, calls); break;
  default: break;
  }
  end(calls);
  return 0;
}

PyObject *on_thread(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
  (void)module, (void)arguments, (void)n;
  if (atomic_load(&counting))
    PyEval_SetProfile(profile, NULL);
  Py_RETURN_NONE;
}

/* In all threads that there are. */
static int watch_threads(bool on) {
  PyThreadState *own = PyThreadState_Get();
  PyInterpreterState *interpreter = PyThreadState_GetInterpreter(own);
  PyThreadState *each = PyInterpreterState_ThreadHead(interpreter);
  for (; each; each = PyThreadState_Next(each)) {
    if (on && each->c_profilefunc && each->c_profilefunc != profile) {
      PyErr_SetString(
          PyExc_RuntimeError,
          "another profiler is active in this process, and before Python 3.12 there can "
          "be only one: end it, or run the audit without it");
      return -1;
    }
  }
  for (each = PyInterpreterState_ThreadHead(interpreter); each; each = PyThreadState_Next(each)) {
    if (on) {
      if (_PyEval_SetProfile(each, profile, NULL))
        return -1;
    } else if (each->c_profilefunc == profile) {
      if (_PyEval_SetProfile(each, NULL, NULL))
        return -1;
    }
  }
  return 0;
}

#endif

PyObject *audit_start(PyObject *module, PyObject *records) {
  (void)module;
  const int recording = PyObject_IsTrue(records);
  if (recording < 0)
    return NULL;
  if (atomic_load(&counting)) {
    PyErr_SetString(PyExc_RuntimeError, "an audit or a trace is going on already in this process");
    return NULL;
  }
  if (watch_threads(true))
    return NULL;
  threads_restart();
  atomic_store(&threads_recording, recording);
  atomic_store(&counting, true);
  Py_RETURN_NONE;
}

PyObject *audit_stop(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  if (!atomic_exchange(&counting, false)) {
    PyErr_SetString(PyExc_RuntimeError, "no audit is going on");
    return NULL;
  }
  atomic_store(&threads_recording, false);
  if (watch_threads(false))
    return NULL;
  const uint32_t session = atomic_load(&threads_session);
  PyObject *result = PyList_New(0);
  for (thread *each = threads_first(); result && each; each = each->next) {
    struct calls *calls = each->calls;
    while (calls && atomic_load(&calls->busy)) { /* its last callback */
      Py_BEGIN_ALLOW_THREADS sched_yield();
      Py_END_ALLOW_THREADS
    }
    if (!calls || calls->session != session)
      continue;
    for (int i = 0; result && i < calls->rows.n; i++) {
      PyObject *item = row_described(&calls->rows.rows[i], each->id, i);
      if (!item || PyList_Append(result, item))
        Py_CLEAR(result);
      Py_XDECREF(item);
    }
  }
  return result;
}

/* The object file that has an address, by its name. */
static PyObject *file_of(const void *address) {
  Dl_info info;
  if (!address || !dladdr(address, &info) || !info.dli_fname)
    return Py_NewRef(Py_None);
  return PyUnicode_DecodeFSDefault(info.dli_fname);
}

static PyObject *spans_of(const thread *thread) {
  const unsigned n = atomic_load_explicit(&thread->spans_n, memory_order_acquire);
  PyObject *list = PyList_New(n);
  for (unsigned i = 0; list && i < n; i++) {
    const span *span = &thread->blocks[i / BLOCK_SPANS][i % BLOCK_SPANS];
    PyObject *item = Py_BuildValue("(LLLiN)", (long long)span->released, (long long)span->asked,
                                   (long long)span->retaken, span->call, file_of(span->caller));
    if (item) {
      PyList_SET_ITEM(list, i, item);
    } else {
      Py_CLEAR(list);
    }
  }
  return list;
}

PyObject *audit_spans(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  if (atomic_load(&counting)) {
    PyErr_SetString(PyExc_RuntimeError, "the trace is going on");
    return NULL;
  }
  const uint32_t session = atomic_load(&threads_session);
  PyObject *result = PyList_New(0);
  for (thread *each = threads_first(); result && each; each = each->next) {
    if (each->session != session)
      continue;
    PyObject *spans = spans_of(each);
    const struct calls *calls = each->calls;
    PyObject *name = calls && calls->session == session ? calls->thread_name : NULL;
    PyObject *item =
        spans ? Py_BuildValue("(lOLIN)", each->id, name ? name : Py_None,
                              (long long)each->released_at, atomic_load(&each->lost), spans)
              : NULL;
    if (!item || PyList_Append(result, item))
      Py_CLEAR(result);
    Py_XDECREF(item);
  }
  return result;
}
