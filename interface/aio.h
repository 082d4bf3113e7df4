/* aio.h: calls that asyncio awaits. An operation is a coroutine over a blocking call, which it
 * makes twice with itself as the call's `cancel`: once to submit it, and once more for the result
 * when the loop has been told that it has ended. So what a call is, and what becomes of its
 * arguments and its result, is written once, for the blocking form.
 *
 * A loop has a queue of the library's, whose descriptor it watches: no thread is needed, and
 * futures are resolved here, a bounded batch at a time. */
#ifndef HWSIM_AIO_H
#define HWSIM_AIO_H

#include <atomic>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

namespace aio {

/* Raised by a call that goes on; an operation catches it at once. No Exception, so that nobody else
 * does. */
static PyObject *pending = nullptr;
static PyTypeObject *operation_type = nullptr, *completions_type = nullptr;

/* --------------------------------------------------------------------- the queue of a loop -- */

struct completions {
  PyObject ob_base;
  hwsim::queue *queue;
  PyObject *loop; /* a weak reference */
  PyObject *key;  /* its address, which another loop may have later */
  PyObject *weak_references;
  std::mutex *mutex; /* an operation in the queue's news exists as long as it is locked */
};

static std::mutex &loops_mutex() {
  static std::mutex *mutex = new std::mutex; /* for good: a thread may be left at the end */
  return *mutex;
}
static std::unordered_map<PyObject *, completions *> &loops() {
  static auto *all = new std::unordered_map<PyObject *, completions *>;
  return *all;
}

static bool is_of(const completions *self, PyObject *loop) {
#if PY_VERSION_HEX >= 0x030D0000
  PyObject *found = nullptr;
  PyWeakref_GetRef(self->loop, &found);
  Py_XDECREF(found);
  return found == loop;
#else
  return PyWeakref_GetObject(self->loop) == loop;
#endif
}

static void completions_dealloc(PyObject *object) {
  completions *self = reinterpret_cast<completions *>(object);
  {
    std::lock_guard<std::mutex> lock(loops_mutex());
    auto found = loops().find(self->key);
    if (found != loops().end() && found->second == self)
      loops().erase(found);
  }
  if (self->weak_references)
    PyObject_ClearWeakRefs(object);
  delete self->queue;
  delete self->mutex;
  Py_XDECREF(self->loop);
  PyTypeObject *type = Py_TYPE(object);
  type->tp_free(object);
  Py_DECREF(type);
}

/* The queue of a loop, made and watched at its first use: a new reference. */
static completions *completions_of(PyObject *loop) {
  {
    std::lock_guard<std::mutex> lock(loops_mutex());
    auto found = loops().find(loop);
    if (found != loops().end() && is_of(found->second, loop)) /* then the loop keeps it alive */
      return reinterpret_cast<completions *>(
          Py_NewRef(reinterpret_cast<PyObject *>(found->second)));
  }
  PyObject *object = completions_type->tp_alloc(completions_type, 0);
  if (!object)
    return nullptr;
  completions *self = reinterpret_cast<completions *>(object);
  self->key = loop;
  self->loop = PyWeakref_NewRef(loop, nullptr);
  try {
    self->mutex = new std::mutex;
    self->queue = new hwsim::queue;
  }
  ERRORS_LET_THREAD_END
  catch (...) {
    errors::translate();
  }
  PyObject *added = self->loop && self->queue
                        ? PyObject_CallMethod(loop, "add_reader", "iO", self->queue->fd(), object)
                        : nullptr;
  if (!added) {
    Py_DECREF(object);
    return nullptr;
  }
  Py_DECREF(added);
  std::lock_guard<std::mutex> lock(loops_mutex());
  loops()[loop] = self;
  return self;
}

/* ------------------------------------------------------------------------------- operations -- */

enum class phase { created, waiting, yielded, done };

struct operation {
  PyVarObject ob_base;
  phase state;
  completions *loop_queue;
  hwsim::request *request;
  PyObject *loop, *future; /* while it is waiting; futures are resolved under the queue's mutex */
  PyObject *function, *names, *progress;
  PyObject *value, *error; /* of a call that had to wait for nothing, until the next step */
  PyObject *arguments[1];  /* of the call, by position and by name; the last one is `cancel` */
};

static operation *as_operation(PyObject *object) { return reinterpret_cast<operation *>(object); }

/* Of an argument `cancel` that is an operation: the token that makes its call asynchronous. */
static bool is_operation(PyObject *object, void **token_out) {
  if (!Py_IS_TYPE(object, operation_type) || !as_operation(object)->request)
    return false;
  *token_out = static_cast<hwsim::cancel_token *>(as_operation(object)->request);
  return true;
}

/* After a call: whether it goes on. Then the error is set. */
static bool goes_on(const hwsim::cancel_token *token) {
  if (!token || !token->goes_on())
    return false;
  PyErr_SetNone(pending);
  return true;
}

/* Stops being in the queue: neither is it told of anything afterwards, nor is it on the bus. */
static void leave(operation *self) {
  if (self->request) {
    hwsim::request *request = self->request;
    if (request->is_pending())
      gil::without([request] { request->cancel(); });
    std::lock_guard<std::mutex> lock(*self->loop_queue->mutex);
    self->request = nullptr;
    delete request;
  }
  Py_CLEAR(self->future);
}

static int operation_traverse(PyObject *object, visitproc visit, void *arg) {
  operation *self = as_operation(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->loop);
  Py_VISIT(self->future);
  Py_VISIT(self->function);
  Py_VISIT(self->progress);
  Py_VISIT(self->value);
  Py_VISIT(self->error);
  for (Py_ssize_t i = 0; i < Py_SIZE(self); i++)
    Py_VISIT(self->arguments[i]);
  return 0;
}

static int operation_clear(PyObject *object) {
  operation *self = as_operation(object);
  leave(self);
  Py_CLEAR(self->loop);
  Py_CLEAR(self->function);
  Py_CLEAR(self->progress);
  Py_CLEAR(self->value);
  Py_CLEAR(self->error);
  for (Py_ssize_t i = 0; i < Py_SIZE(self); i++)
    Py_CLEAR(self->arguments[i]);
  return 0;
}

static void operation_finalize(PyObject *object) {
  operation *self = as_operation(object);
  PyObject *before = PyErr_Occurred() ? errors::take() : nullptr;
  if (self->state == phase::created &&
      PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "%R was never awaited", object))
    PyErr_WriteUnraisable(object);
  if (before)
    errors::set(before);
}

static void operation_dealloc(PyObject *object) {
  if (PyObject_CallFinalizerFromDealloc(object))
    return;
  PyObject_GC_UnTrack(object);
  operation_clear(object);
  operation *self = as_operation(object);
  Py_CLEAR(self->names);
  Py_XDECREF(reinterpret_cast<PyObject *>(self->loop_queue));
  PyTypeObject *type = Py_TYPE(object);
  type->tp_free(object);
  Py_DECREF(type);
}

static bool is_named(PyObject *names, Py_ssize_t i, const char *name) {
  return !PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), name);
}

/* operation(function, *arguments, cancel): its call is function(*arguments, cancel). */
static PyObject *make(PyObject *, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
  Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0, all = count + named;
  if (count < 1 || all < 2) {
    PyErr_SetString(PyExc_TypeError,
                    "operation() needs a function, and cancel as the last argument");
    return nullptr;
  }
  PyObject *object = operation_type->tp_alloc(operation_type, all - 1);
  if (!object)
    return nullptr;
  operation *self = as_operation(object);
  self->function = Py_NewRef(arguments[0]);
  self->names = Py_XNewRef(names);
  for (Py_ssize_t i = 1; i < all; i++)
    self->arguments[i - 1] = Py_NewRef(arguments[i]);
  for (Py_ssize_t i = 0; named > 2 && i < named; i++)
    if (is_named(names, i, "progress")) {
      PyObject **place = &self->arguments[count - 1 + i];
      self->progress = *place;
      *place = Py_NewRef(Py_None);
    }
  return object;
}

/* Its call, the first time or for the result. */
static PyObject *call(operation *self) {
  enum { FEW = 12 };
  PyObject *few[FEW];
  Py_ssize_t all = Py_SIZE(self), named = self->names ? PyTuple_GET_SIZE(self->names) : 0;
  std::vector<PyObject *> many(all > FEW ? static_cast<size_t>(all) : 0);
  PyObject **arguments = all > FEW ? many.data() : few;
  for (Py_ssize_t i = 0; i < all; i++)
    arguments[i] = self->arguments[i];
  arguments[all - 1] = reinterpret_cast<PyObject *>(self);
  return PyObject_Vectorcall(self->function, arguments, static_cast<size_t>(all - named),
                             self->names);
}

/* A cancellation that was too late for the operation before comes now, before this one begins. */
static std::atomic<bool> late{false};
static bool is_wanted() {
  static errors::factory check("hwsim.aio.cancellation", "check");
  PyObject *function = check.get();
  PyObject *more = function ? PyObject_CallNoArgs(function) : nullptr;
  if (more)
    late = more == Py_True;
  Py_XDECREF(more);
  return more;
}

/* Finds its loop, and what it needs there. */
static bool begin(operation *self) {
  static errors::factory running_loop("asyncio", "get_running_loop");
  PyObject *get = running_loop.get(), *cancel = self->arguments[Py_SIZE(self) - 1];
  void *token = nullptr;
  if (!get || !arguments::convert(cancel, "cancel", SWIGTYPE_p_hwsim__cancel_token, true, &token) ||
      (self->progress && !callbacks::check(self->progress, "progress")))
    return false;
  self->loop = PyObject_CallNoArgs(get);
  self->loop_queue = self->loop ? completions_of(self->loop) : nullptr;
  if (!self->loop_queue)
    return false;
  try {
    self->request = new hwsim::request(*self->loop_queue->queue, self);
    self->request->obey(static_cast<hwsim::cancel_token *>(token));
  }
  ERRORS_LET_THREAD_END
  catch (...) {
    errors::translate();
    return false;
  }
  return true;
}

/* A future for the loop's task to wait for. */
static PySendResult wait_for_end(operation *self, PyObject **result) {
  static PyObject *create = PyUnicode_InternFromString("create_future");
  static PyObject *blocking = PyUnicode_InternFromString("_asyncio_future_blocking");
  PyObject *future = PyObject_CallMethodNoArgs(self->loop, create);
  if (!future || PyObject_SetAttr(future, blocking, Py_True)) {
    Py_XDECREF(future);
    self->state = phase::done;
    leave(self);
    return PYGEN_ERROR;
  }
  {
    std::lock_guard<std::mutex> lock(*self->loop_queue->mutex);
    PyObject *before = self->future;
    self->future = future;
    future = before;
  }
  Py_XDECREF(future);
  self->state = phase::waiting;
  *result = Py_NewRef(self->future);
  return PYGEN_NEXT;
}

/* What it has got already, when it goes on. */
static PySendResult deliver(operation *self, PyObject **result) {
  self->state = phase::done;
  leave(self);
  *result = self->value;
  self->value = nullptr;
  if (*result)
    return PYGEN_RETURN;
  PyObject *error = self->error;
  self->error = nullptr;
  errors::set(error);
  return PYGEN_ERROR;
}

static PySendResult step(PyObject *object, PyObject *, PyObject **result) {
  operation *self = as_operation(object);
  *result = nullptr;
  if (self->state == phase::done) {
    PyErr_Format(PyExc_RuntimeError, "%R has been awaited already: call it again", object);
    return PYGEN_ERROR;
  }
  if (self->state == phase::yielded)
    return deliver(self, result);
  bool first = self->state == phase::created;
  self->state = phase::done; /* for whoever finds it while it runs */
  if (first && ((late && !is_wanted()) || !begin(self)))
    return PYGEN_ERROR;
  PyObject *value = call(self);
  if (!value && PyErr_ExceptionMatches(pending)) {
    PyErr_Clear();
    return wait_for_end(self, result);
  }
  if (first) { /* others have their turn, whatever it waited for */
    self->value = value;
    self->error = value ? nullptr : errors::take();
    self->state = phase::yielded;
    *result = Py_NewRef(Py_None);
    return PYGEN_NEXT;
  }
  leave(self);
  *result = value;
  return value ? PYGEN_RETURN : PYGEN_ERROR;
}

static PyObject *return_value(PySendResult how, PyObject *result) {
  if (how == PYGEN_RETURN) {
    /* As a generator does: a tuple would be taken for the arguments. */
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
    Py_DECREF(result);
    if (stop)
      PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    return nullptr;
  }
  return result;
}

static PyObject *operation_next(PyObject *object) {
  PyObject *result;
  PySendResult how = step(object, Py_None, &result);
  return return_value(how, result);
}

static PyObject *operation_send(PyObject *object, PyObject *) { return operation_next(object); }

static bool is_cancellation(PyObject *error) {
  static errors::factory cancelled("asyncio", "CancelledError");
  PyObject *type = cancelled.get();
  return type && PyErr_GivenExceptionMatches(error, type);
}

/* The error that is set ends it. When it has had its effect nevertheless, which can only be seen by
 * its result, that is returned, and a cancellation comes with the task's next await. */
static PySendResult end(operation *self, PyObject **result) {
  PyObject *error = errors::take(), *value = self->value;
  bool cancellation = is_cancellation(error);
  bool was_waiting = self->state == phase::waiting;
  self->state = phase::done;
  self->value = nullptr;
  if (was_waiting && self->request) {
    hwsim::request *request = self->request;
    gil::without([request] { request->cancel(); });
    value = cancellation ? call(self) : nullptr;
    PyErr_Clear();
  }
  leave(self);
  if (value && cancellation) {
    static errors::factory later("hwsim.aio.cancellation", "later");
    late = true;
    PyObject *function = later.get();
    PyObject *done = function ? PyObject_CallOneArg(function, error) : nullptr;
    Py_XDECREF(done);
    Py_DECREF(error);
    if (!done) {
      Py_DECREF(value);
      return PYGEN_ERROR;
    }
    *result = value;
    return PYGEN_RETURN;
  }
  Py_XDECREF(value);
  errors::set(error);
  return PYGEN_ERROR;
}

static PyObject *operation_throw(PyObject *object, PyObject *arguments) {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr, *result = nullptr;
  if (!PyArg_ParseTuple(arguments, "O|OO:throw", &type, &value, &traceback))
    return nullptr;
  if (PyExceptionInstance_Check(type))
    PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(type)), type);
  else if (PyExceptionClass_Check(type))
    PyErr_SetObject(type, value);
  else
    PyErr_Format(PyExc_TypeError,
                 "exceptions must be classes or instances of BaseException, got %R", type);
  PySendResult how = end(as_operation(object), &result);
  return return_value(how, result);
}

static PyObject *operation_close(PyObject *object, PyObject *) {
  operation *self = as_operation(object);
  self->state = phase::done;
  leave(self);
  Py_CLEAR(self->value);
  Py_CLEAR(self->error);
  Py_RETURN_NONE;
}

static PyObject *operation_await(PyObject *object) { return Py_NewRef(object); }

/* Of Device._read_voltage, which Device.read_voltage() passes its arguments to, without the `_`. */
static PyObject *operation_name(PyObject *object, void *name) {
  PyObject *full =
      PyObject_GetAttrString(as_operation(object)->function, static_cast<const char *>(name));
  Py_ssize_t length = full && PyUnicode_Check(full) ? PyUnicode_GET_LENGTH(full) : 0;
  Py_ssize_t dot = length ? PyUnicode_FindChar(full, '.', 0, length, -1) : -1;
  if (dot < -1 || dot + 1 >= length || PyUnicode_READ_CHAR(full, dot + 1) != '_')
    return full;
  PyObject *head = PyUnicode_Substring(full, 0, dot + 1);
  PyObject *tail = PyUnicode_Substring(full, dot + 2, length);
  PyObject *joined = head && tail ? PyUnicode_Concat(head, tail) : nullptr;
  Py_XDECREF(head);
  Py_XDECREF(tail);
  Py_DECREF(full);
  return joined;
}

static PyObject *operation_repr(PyObject *object) {
  static const char *const names[] = {"not awaited", "waiting", "waiting", "ended"};
  PyObject *name = operation_name(object, const_cast<char *>("__qualname__"));
  if (!name)
    return nullptr;
  PyObject *text = PyUnicode_FromFormat("<hwsim operation %U, %s>", name,
                                        names[static_cast<int>(as_operation(object)->state)]);
  Py_DECREF(name);
  return text;
}

/* ------------------------------------------------------------------------- resolving futures -- */

static void unless_done() {
  static errors::factory invalid_state("asyncio", "InvalidStateError");
  PyObject *error = errors::take(), *type = invalid_state.get();
  if (type && PyErr_GivenExceptionMatches(error, type)) {
    Py_DECREF(error); /* it was cancelled meanwhile */
    return;
  }
  errors::set(error);
  PyErr_WriteUnraisable(nullptr);
}

static void resolve(PyObject *future, PyObject *error) {
  static PyObject *set_result = PyUnicode_InternFromString("set_result");
  static PyObject *set_exception = PyUnicode_InternFromString("set_exception");
  PyObject *set = PyObject_CallMethodOneArg(future, error ? set_exception : set_result,
                                            error ? error : Py_None);
  if (!set)
    unless_done();
  Py_XDECREF(set);
}

/* An exception of the callback ends the operation that waits for the future. */
static void report(PyObject *progress, PyObject *future, uint64_t done, uint64_t total) {
  PyObject *result = PyObject_CallFunction(progress, "KK", static_cast<unsigned long long>(done),
                                           static_cast<unsigned long long>(total));
  if (!result) {
    PyObject *error = errors::take();
    resolve(future, error);
    Py_DECREF(error);
  }
  Py_XDECREF(result);
}

struct news {
  PyObject *future, *progress;
  uint64_t done, total;
  bool ended;
};

/* What the loop calls when the queue's descriptor is readable. */
static PyObject *completions_call(PyObject *object, PyObject *, PyObject *) {
  enum { BATCH = 256 };
  completions *self = reinterpret_cast<completions *>(object);
  hwsim_completion taken[BATCH];
  news all[BATCH];
  size_t count = 0;
  try {
    self->queue->settle(BATCH); /* may call behaviours: without the lock */
    std::lock_guard<std::mutex> lock(*self->mutex);
    count = self->queue->news(BATCH, taken);
    for (size_t i = 0; i < count; i++) {
      operation *each = static_cast<operation *>(taken[i].user);
      all[i] = {Py_XNewRef(each->future), taken[i].reported ? Py_XNewRef(each->progress) : nullptr,
                taken[i].done, taken[i].total, taken[i].ended};
    }
  }
  ERRORS_LET_THREAD_END
  catch (...) {
    errors::translate();
    return nullptr;
  }
  for (size_t i = 0; i < count; i++) {
    if (all[i].progress && all[i].progress != Py_None && all[i].future)
      report(all[i].progress, all[i].future, all[i].done, all[i].total);
    if (all[i].ended && all[i].future)
      resolve(all[i].future, nullptr);
    Py_XDECREF(all[i].future);
    Py_XDECREF(all[i].progress);
  }
  Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ blocking calls on a loop -- */

/* Before a call waits: on the thread of a loop in debug mode it warns. False: an error is set,
 * because warnings may be errors. */
static bool may_wait() {
  static PyObject *asyncio = PyUnicode_InternFromString("_asyncio");
  PyObject *module = PyImport_GetModule(asyncio); /* which nobody has imported: no loop runs */
  if (!module)
    return !PyErr_Occurred();
  Py_DECREF(module);
  static errors::factory running_loop("_asyncio", "_get_running_loop");
  PyObject *get = running_loop.get(), *loop = get ? PyObject_CallNoArgs(get) : nullptr;
  PyObject *done = loop;
  if (loop && loop != Py_None) {
    static errors::factory warn("hwsim.aio.debugging", "warn");
    PyObject *function = warn.get();
    done = function ? PyObject_CallOneArg(function, loop) : nullptr;
    Py_DECREF(loop);
  }
  Py_XDECREF(done);
  return done;
}

/* -------------------------------------------------------------------------------- the types -- */

static PyMethodDef operation_methods[] = {
    {"send", operation_send, METH_O, "Goes on."},
    {"throw", operation_throw, METH_VARARGS, "Ends it, with this exception."},
    {"close", operation_close, METH_NOARGS, "Ends it; does nothing if it has ended."},
    {nullptr, nullptr, 0, nullptr}};

static PyGetSetDef operation_attributes[] = {
    {"__name__", operation_name, nullptr, nullptr, const_cast<char *>("__name__")},
    {"__qualname__", operation_name, nullptr, nullptr, const_cast<char *>("__qualname__")},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <class Function> static void *slot(Function *function) {
  return reinterpret_cast<void *>(function);
}

static PyType_Slot operation_slots[] = {{Py_tp_dealloc, slot(operation_dealloc)},
                                        {Py_tp_finalize, slot(operation_finalize)},
                                        {Py_tp_traverse, slot(operation_traverse)},
                                        {Py_tp_clear, slot(operation_clear)},
                                        {Py_tp_repr, slot(operation_repr)},
                                        {Py_tp_iternext, slot(operation_next)},
                                        {Py_am_await, slot(operation_await)},
                                        {Py_am_send, slot(step)},
                                        {Py_tp_methods, operation_methods},
                                        {Py_tp_getset, operation_attributes},
                                        {0, nullptr}};

static PyType_Spec operation_spec = {
    "hwsim._native._Operation", sizeof(operation) - sizeof(PyObject *), sizeof(PyObject *),
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, operation_slots};

static PyType_Slot completions_slots[] = {
    {Py_tp_dealloc, slot(completions_dealloc)}, {Py_tp_call, slot(completions_call)}, {0, nullptr}};

static PyType_Spec completions_spec = {"hwsim._native._Completions", sizeof(completions), 0,
                                       Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                       completions_slots};

static PyMethodDef functions[] = {
    {"operation", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(make)),
     METH_FASTCALL | METH_KEYWORDS,
     "operation(function, /, *arguments, **options)\n--\n\n"
     "The coroutine of function(*arguments, **options), whose last argument is ``cancel``."},
    {nullptr, nullptr, 0, nullptr}};

static bool add_to(PyObject *module) {
  pending = PyErr_NewException("hwsim._native._Pending", PyExc_BaseException, nullptr);
  operation_type = reinterpret_cast<PyTypeObject *>(PyType_FromSpec(&operation_spec));
  completions_type = reinterpret_cast<PyTypeObject *>(PyType_FromSpec(&completions_spec));
  return pending && operation_type && completions_type && !PyModule_AddFunctions(module, functions);
}

} // namespace aio
#endif
