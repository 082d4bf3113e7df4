/* Requests: calls that do not block, and the queue of those that have ended.
 *
 * No thread is needed for operations on the timeline: the queue's descriptor becomes readable when
 * the first of them is due, and whoever then takes from the queue settles its device. Lock order: a
 * device's mutex, then the queue's. */
#include "timeline/request.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "base/wakeup.h"
#include "timeline/bus.h"
#include "timeline/submit.h"
#include "timeline/wait.h"

#include <stdlib.h>

/* A thread that sleeps is late by about so much; a loop of events that is woken earlier looks again
 * until it is time. */
#define EARLY_NS 60000

struct hwsim_queue {
  unsigned generation;
  atomic_int references; /* its owner's, and each request's */
  pthread_mutex_t mutex; /* guards the rest, and what its requests say it does */
  pthread_cond_t ended;  /* a job has */
  wakeup wakeup;
  list news; /* requests that take() will return */
  size_t news_count;
  heap due;   /* pending requests by the monotonic time when their devices are to be settled */
  heap jumps; /* ... of virtual clocks, by the device's time to jump to */
  uint64_t order;
};

typedef enum request_state { FREE, STARTING, PENDING, ENDED } request_state;

struct hwsim_request {
  hwsim_queue *queue; /* constant */
  void *user;         /* constant */
  atomic_int references;

  /* Of whoever makes the call, while it is not pending. */
  void *memory;
  size_t memory_size;

  /* Guarded by the queue's mutex. */
  request_state state;
  bool listed; /* among the news */
  list_link link;
  heap_node node; /* in one of the queue's heaps, or in none */
  bool reported;  /* the progress is news */
  uint64_t done, total;
  hwsim_device *device; /* of the operation; kept by it */
  op *op;               /* a copy of `size` bytes; or else */
  size_t size;
  job *job;
};

static bool is_pending(const hwsim_request *self) {
  return self->state == STARTING || self->state == PENDING;
}

static hwsim_request *from_node(heap_node *node) { return ELEMENT(node, hwsim_request, node); }

/* --------------------------------------------------------------------------------- the queue -- */

hwsim_error hwsim_queue_new(hwsim_queue **queue_out) {
  hwsim_queue *self = zeroed(sizeof *self);
  if (!self || !wakeup_open(&self->wakeup)) {
    free(self);
    return error_no_memory("", "queue");
  }
  self->generation = fork_generation;
  atomic_init(&self->references, 1);
  pthread_mutex_init(&self->mutex, NULL);
  wait_init_condition(&self->ended);
  list_init(&self->news);
  *queue_out = self;
  return HWSIM_OK;
}

static bool is_forked(const hwsim_queue *self) { return self->generation != fork_generation; }

static void release_queue(hwsim_queue *self) {
  if (atomic_fetch_sub(&self->references, 1) > 1)
    return;
  wakeup_close(&self->wakeup);
  if (!is_forked(self)) {
    pthread_cond_destroy(&self->ended);
    pthread_mutex_destroy(&self->mutex);
  }
  free(self);
}

void hwsim_queue_free(hwsim_queue *queue) {
  if (queue)
    release_queue(queue);
}

int hwsim_queue_fd(const hwsim_queue *queue) { return queue->wakeup.fd; }

/* Mutex held, here and below up to the next line. */
static void set_wakeup(hwsim_queue *self) {
  bool now = self->news_count || self->jumps.root;
  wakeup_set(&self->wakeup, now              ? 0
                            : self->due.root ? self->due.root->time_ns - EARLY_NS
                                             : FOREVER);
}

static void unschedule(hwsim_request *self) {
  hwsim_queue *queue = self->queue;
  if (heap_holds(&self->node))
    heap_remove(self->device->config.clock == HWSIM_CLOCK_VIRTUAL ? &queue->jumps : &queue->due,
                &self->node);
}

static void announce(hwsim_request *self) {
  if (self->listed)
    return;
  self->listed = true;
  list_append(&self->queue->news, &self->link);
  if (!self->queue->news_count++)
    set_wakeup(self->queue);
}

static void withdraw(hwsim_request *self) {
  if (!self->listed)
    return;
  self->listed = false;
  list_remove(&self->link);
  if (!--self->queue->news_count)
    set_wakeup(self->queue);
}

/* -------------------------------------------------------------- what its operation tells it -- */

/* When it may end, as far as is known; the device's mutex is held. */
static void moved(op *op, void *user) {
  hwsim_request *self = user;
  hwsim_device *device = self->device;
  hwsim_queue *queue = self->queue;
  bool jumps = device->config.clock == HWSIM_CLOCK_VIRTUAL;
  int64_t at_ns = bus_next_ns(device, op);
  if (!jumps)
    at_ns = timeline_to_monotonic(device, at_ns);
  pthread_mutex_lock(&queue->mutex);
  const heap_node *first = queue->due.root;
  bool was_empty = !queue->jumps.root;
  unschedule(self);
  if (at_ns != FOREVER) {
    self->node.time_ns = at_ns;
    self->node.order = queue->order++;
    heap_put(jumps ? &queue->jumps : &queue->due, &self->node);
  }
  if (queue->due.root != first || first == &self->node || (jumps && was_empty))
    set_wakeup(queue);
  pthread_mutex_unlock(&queue->mutex);
}

static void ended(op *op, void *user) {
  (void)op;
  hwsim_request *self = user;
  hwsim_queue *queue = self->queue;
  pthread_mutex_lock(&queue->mutex);
  unschedule(self);
  bool starting = self->state == STARTING; /* then its result is returned at once */
  self->state = ENDED;
  if (!starting)
    announce(self);
  pthread_mutex_unlock(&queue->mutex);
}

/* --------------------------------------------------------------------------------- its calls -- */

hwsim_error hwsim_request_new(hwsim_queue *queue, void *user, hwsim_request **request_out) {
  if (is_forked(queue))
    return error_set(HWSIM_EFORKED, "", "request",
                     "the queue was made before fork(), in the parent process; make a new one in "
                     "this process");
  hwsim_request *self = zeroed(sizeof *self);
  if (!self)
    return error_no_memory("", "request");
  self->queue = queue;
  self->user = user;
  atomic_init(&self->references, 1);
  atomic_fetch_add(&queue->references, 1);
  *request_out = self;
  return HWSIM_OK;
}

static void release(hwsim_request *self) {
  if (atomic_fetch_sub(&self->references, 1) > 1)
    return;
  release_queue(self->queue);
  free(self->memory);
  free(self);
}

hwsim_error request_look(const hwsim_request *self, const char *device, const char *operation,
                         bool *ended_out) {
  if (is_forked(self->queue))
    return error_set(HWSIM_EFORKED, device, operation,
                     "the request was made before fork(), in the parent process");
  pthread_mutex_lock(&self->queue->mutex);
  request_state state = self->state;
  pthread_mutex_unlock(&self->queue->mutex);
  *ended_out = state == ENDED;
  return state == FREE || state == ENDED
             ? HWSIM_OK
             : error_set(HWSIM_ESTATE, device, operation, "the request is pending");
}

hwsim_error request_memory(const hwsim_call *call, const hwsim_device *device,
                           const hwsim_operation *operation, size_t size, void **memory_io) {
  hwsim_request *self = request_of(call);
  if (!self)
    return HWSIM_OK;
  bool has_ended = false;
  hwsim_error error = request_look(self, device->config.name, operation->name, &has_ended);
  if (error)
    return error;
  if (!has_ended || self->memory_size != size) {
    void *memory = realloc(self->memory, size);
    if (!memory)
      return error_no_memory(device->config.name, operation->name);
    self->memory = memset(memory, 0, size);
    self->memory_size = size;
  }
  *memory_io = self->memory;
  return HWSIM_OK;
}

static void clear(hwsim_request *self) {
  pthread_mutex_lock(&self->queue->mutex);
  withdraw(self);
  self->op = NULL;
  self->reported = false;
  self->state = FREE;
  pthread_mutex_unlock(&self->queue->mutex);
}

/* The operation is `self` again, as if the caller had waited for it. */
static hwsim_error take_result(hwsim_request *request, op *self) {
  hwsim_device *device = request->device;
  op *own = request->op;
  memcpy(self, own, request->size);
  hwsim_error error = self->result;
  if (error)
    op_describe(device, self, error);
  clear(request);
  submit_end(device, own);
  free(own);
  return error;
}

static hwsim_error start(hwsim_request *request, hwsim_device *device, const op *self, size_t size,
                         const hwsim_call *call) {
  op *own = malloc(size);
  if (!own)
    return error_no_memory(device->config.name, op_name(self));
  memcpy(own, self, size);
  request_set_job(request, NULL);
  pthread_mutex_lock(&request->queue->mutex);
  request->state = STARTING;
  request->device = device;
  request->op = own;
  request->size = size;
  pthread_mutex_unlock(&request->queue->mutex);
  hwsim_error error = hwsim_submit(device, own, call, ended, moved, request);
  if (error) {
    clear(request);
    free(own);
  }
  return error;
}

hwsim_error request_run(hwsim_device *device, op *self, size_t size, const hwsim_call *call) {
  hwsim_request *request = call->request;
  const char *name = device->config.name, *operation = op_name(self);
  bool has_ended = false;
  hwsim_error error = request_look(request, name, operation, &has_ended);
  if (error)
    return error;
  if (has_ended) {
    const op *own = request->op;
    if (!own || request->device != device || request->size != size || own->kind != self->kind)
      return error_set(HWSIM_ESTATE, name, operation,
                       "the request has the result of another call, which nobody has taken");
    return take_result(request, self);
  }
  if ((error = start(request, device, self, size, call)))
    return error;
  pthread_mutex_lock(&request->queue->mutex);
  has_ended = request->state == ENDED;
  if (!has_ended)
    request->state = PENDING;
  pthread_mutex_unlock(&request->queue->mutex);
  return has_ended ? take_result(request, self) : HWSIM_EPENDING;
}

bool hwsim_request_is_pending(const hwsim_request *request) {
  if (is_forked(request->queue))
    return false;
  pthread_mutex_lock(&request->queue->mutex);
  bool pending = is_pending(request);
  pthread_mutex_unlock(&request->queue->mutex);
  return pending;
}

/* ------------------------------------------------------------------------------------ its end --
 */

/* Lets it happen what is due on the device of a request that was pending, whatever has become of it
 * since; then ends it, or schedules it again. */
static void visit(hwsim_request *self, hwsim_device *device, bool abort) {
  hwsim_queue *queue = self->queue;
  pthread_mutex_lock(timeline_mutex(device));
  timeline_update(device); /* what is due is not cancelled */
  bus_call call = abort ? CALL_NONE : CALL_MADE;
  for (int64_t slice_end_ns = 0; call == CALL_MADE && !slice_is_over(&slice_end_ns);)
    call = bus_make_call(device, NULL);
  if (call == CALL_FORKED)
    return;
  pthread_mutex_lock(&queue->mutex); /* its state does not change without the device's mutex */
  bool pending = is_pending(self) && self->op && self->device == device;
  bool scheduled = heap_holds(&self->node);
  pthread_mutex_unlock(&queue->mutex);
  if (pending && abort)
    bus_abort(device, self->op, HWSIM_ECANCELLED);
  else if (pending)
    bus_expire_held(device, self->op);
  if (pending && !abort && !scheduled && op_is_pending(self->op))
    moved(self->op, self);
  timeline_unlock(device);
}

void hwsim_request_cancel(hwsim_request *request) {
  hwsim_queue *queue = request->queue;
  if (is_forked(queue))
    return;
  pthread_mutex_lock(&queue->mutex);
  bool pending = is_pending(request);
  job *job = pending ? request->job : NULL;
  hwsim_device *device = pending && !job ? handle_retain(request->device) : NULL;
  pthread_mutex_unlock(&queue->mutex);
  if (device) {
    visit(request, device, true);
    handle_release(device);
  }
  if (!job)
    return;
  job->stop(job);
  pthread_mutex_lock(&queue->mutex);
  while (request->state == PENDING && request->job == job)
    wait_on_condition(&queue->ended, &queue->mutex, FOREVER);
  pthread_mutex_unlock(&queue->mutex);
}

void hwsim_request_free(hwsim_request *request) {
  if (!request)
    return;
  if (!is_forked(request->queue)) {
    hwsim_request_cancel(request);
    op *own = request->op;
    hwsim_device *device = request->device;
    clear(request);
    request_set_job(request, NULL);
    if (own) {
      if (!own->result && own->kind->drop)
        own->kind->drop(own);
      submit_end(device, own);
      free(own);
    }
  }
  release(request);
}

/* -------------------------------------------------------------------------------- taking them --
 */

/* The first pending request of the heap that is due, and its device, both kept; NULL: none. */
static hwsim_request *next_due(heap *due, int64_t now_ns, hwsim_device **device_out) {
  hwsim_request *first = from_node(due->root);
  if (!first || first->node.time_ns > now_ns)
    return NULL;
  heap_remove(due, &first->node);
  atomic_fetch_add(&first->references, 1);
  *device_out = handle_retain(first->device);
  return first;
}

/* Lets happen what is due, until there are so many news. */
static void settle_due(hwsim_queue *self, size_t capacity) {
  int64_t now_ns = monotonic_ns();
  hwsim_device *device;
  for (hwsim_request *each;;) {
    pthread_mutex_lock(&self->mutex);
    each = self->news_count < capacity ? next_due(&self->due, now_ns, &device) : NULL;
    pthread_mutex_unlock(&self->mutex);
    if (!each)
      return;
    visit(each, device, false);
    handle_release(device);
    release(each);
  }
}

/* When there is nothing else to do, virtual clocks jump: the earliest first, until something ends.
 */
static void jump(hwsim_queue *self) {
  int64_t slice_end_ns = 0;
  hwsim_device *device;
  for (hwsim_request *each;;) {
    pthread_mutex_lock(&self->mutex);
    int64_t to_ns = self->jumps.root ? self->jumps.root->time_ns : 0;
    each = self->news_count ? NULL : next_due(&self->jumps, FOREVER, &device);
    pthread_mutex_unlock(&self->mutex);
    if (!each)
      return;
    pthread_mutex_lock(timeline_mutex(device));
    timeline_jump(device, to_ns);
    timeline_unlock(device);
    visit(each, device, false);
    handle_release(device);
    release(each);
    if (slice_is_over(&slice_end_ns))
      return;
  }
}

static hwsim_error refuse_forked(void) {
  return error_set(HWSIM_EFORKED, "", "queue",
                   "the queue was made before fork(), in the parent process; make a new one in "
                   "this process");
}

hwsim_error hwsim_queue_settle(hwsim_queue *queue, size_t news) {
  if (is_forked(queue))
    return refuse_forked();
  settle_due(queue, news);
  jump(queue);
  return HWSIM_OK;
}

hwsim_error hwsim_queue_take(hwsim_queue *queue, size_t capacity, hwsim_completion *completions_out,
                             size_t *count_out) {
  hwsim_error error = hwsim_queue_settle(queue, capacity);
  return error ? error : hwsim_queue_news(queue, capacity, completions_out, count_out);
}

hwsim_error hwsim_queue_news(hwsim_queue *queue, size_t capacity, hwsim_completion *completions_out,
                             size_t *count_out) {
  if (is_forked(queue))
    return refuse_forked();
  size_t count = 0;
  pthread_mutex_lock(&queue->mutex);
  for (list_link *each; count < capacity && (each = list_first(&queue->news)); count++) {
    hwsim_request *news = ELEMENT(each, hwsim_request, link);
    completions_out[count] = (hwsim_completion){.request = news,
                                                .user = news->user,
                                                .ended = news->state == ENDED,
                                                .reported = news->reported,
                                                .done = news->done,
                                                .total = news->total};
    news->reported = news->listed = false;
    list_remove(&news->link);
    queue->news_count--;
  }
  set_wakeup(queue);
  pthread_mutex_unlock(&queue->mutex);
  *count_out = count;
  return HWSIM_OK;
}

/* --------------------------------------------------------------------------------- for jobs -- */

job *request_job(const hwsim_request *self) { return self->job; }

void request_set_job(hwsim_request *self, job *job) {
  if (self->job)
    self->job->destroy(self->job);
  clear(self);
  self->job = job;
}

void request_start(hwsim_request *self) {
  atomic_fetch_add(&self->references, 1);
  pthread_mutex_lock(&self->queue->mutex);
  self->state = PENDING;
  pthread_mutex_unlock(&self->queue->mutex);
}

void request_unstart(hwsim_request *self) {
  request_set_job(self, NULL);
  release(self);
}

void request_report(hwsim_request *self, uint64_t done, uint64_t total) {
  pthread_mutex_lock(&self->queue->mutex);
  self->reported = true;
  self->done = done;
  self->total = total;
  announce(self);
  pthread_mutex_unlock(&self->queue->mutex);
}

void request_finish(hwsim_request *self) {
  pthread_mutex_lock(&self->queue->mutex);
  self->state = ENDED;
  announce(self);
  pthread_cond_broadcast(&self->queue->ended);
  pthread_mutex_unlock(&self->queue->mutex);
  release(self);
}
