/* The timeline: sources, settled in the order of their times, under one mutex, by one clock. */
#include "timeline/timeline.h"

#include "base/error.h"
#include "base/handle.h"
#include "timeline/clock.h"
#include "timeline/operation.h"

struct timeline {
  pthread_mutex_t mutex; /* guards all of it, and what hangs on it */
  bool closed;
  heap sources;
  uint64_t order;  /* of scheduling */
  errand *errands; /* a list */
  clock_state clock;
  bool held;
  int64_t held_ns, late_ns; /* where it stands, and how far behind its clock it was then */
};

/* -------------------------------------------------------------------------------------- life -- */

size_t timeline_size(void) { return sizeof(timeline); }

void timeline_open(hwsim_device *device) {
  pthread_mutex_init(&device->timeline->mutex, NULL);
  device->timeline->clock = clock_start(&device->config);
}

void timeline_free(hwsim_device *device) { pthread_mutex_destroy(&device->timeline->mutex); }

bool timeline_close(hwsim_device *device) {
  timeline *self = device->timeline;
  if (self->closed)
    return false;
  clock_stop(&self->clock);
  self->closed = true;
  timeline_settle(device, timeline_now(device)); /* what was done in time keeps its result */
  return true;
}

/* -------------------------------------------------------------------------------------- lock -- */

hwsim_error timeline_lock_any(hwsim_device *device, const hwsim_operation *operation) {
  if (handle_is_forked(device))
    return error_set(HWSIM_EFORKED, device->config.name, operation->name,
                     "the device was opened before fork(), in the parent process; "
                     "open it again in this one");
  pthread_mutex_lock(&device->timeline->mutex);
  return HWSIM_OK;
}

hwsim_error timeline_lock(hwsim_device *device, const hwsim_operation *operation) {
  hwsim_error error = timeline_lock_any(device, operation);
  if (!error && device->timeline->closed) {
    pthread_mutex_unlock(&device->timeline->mutex);
    error = error_set(HWSIM_ECLOSED, device->config.name, operation->name, "the device is closed");
  }
  return error;
}

void timeline_unlock(hwsim_device *device) {
  if (device->timeline->errands)
    timeline_update(device);
  pthread_mutex_unlock(&device->timeline->mutex);
}

pthread_mutex_t *timeline_mutex(const hwsim_device *device) { return &device->timeline->mutex; }

/* -------------------------------------------------------------------------------------- time -- */

int64_t timeline_now(const hwsim_device *device) { return clock_read(&device->timeline->clock); }

int64_t timeline_to_monotonic(const hwsim_device *device, int64_t time_ns) {
  return clock_to_monotonic(&device->timeline->clock, time_ns);
}

bool timeline_is_closed(const hwsim_device *device) { return device->timeline->closed; }

int64_t timeline_update(hwsim_device *device) {
  int64_t now_ns = timeline_now(device);
  timeline_settle(device, now_ns);
  return now_ns;
}

hwsim_error hwsim_clock_now(hwsim_device *device, int64_t *now_ns_out) {
  hwsim_error error = timeline_lock_any(device, OPERATION(device, now));
  if (error)
    return error;
  *now_ns_out = timeline_now(device);
  timeline_unlock(device);
  return HWSIM_OK;
}

void timeline_schedule(hwsim_device *device, source *self, source_rank rank, int64_t at_ns) {
  timeline *line = device->timeline;
  if (heap_holds(&self->node)) {
    if (self->node.time_ns == at_ns && self->node.order >> 56 == rank)
      return;
    heap_remove(&line->sources, &self->node);
  }
  if (at_ns == FOREVER)
    return;
  self->node.time_ns = at_ns;
  self->node.order = (uint64_t)rank << 56 | line->order++;
  heap_put(&line->sources, &self->node);
}

void timeline_hold(hwsim_device *device, int64_t at_ns) {
  timeline *self = device->timeline;
  self->held = true;
  self->held_ns = at_ns;
  self->late_ns = timeline_now(device) - at_ns;
}

void timeline_release(hwsim_device *device) { device->timeline->held = false; }

bool timeline_is_held(const hwsim_device *device) { return device->timeline->held; }

int64_t timeline_held_until(const hwsim_device *device, int64_t time_ns) {
  return add_saturated(time_ns, device->timeline->late_ns);
}

void timeline_defer(hwsim_device *device, errand *self) {
  if (self->deferred)
    return;
  self->deferred = true;
  self->next = device->timeline->errands;
  device->timeline->errands = self;
}

static void run_errands(hwsim_device *device, int64_t at_ns) {
  for (errand *each; (each = device->timeline->errands);) {
    device->timeline->errands = each->next;
    each->deferred = false;
    each->run(device, each, at_ns);
  }
}

/* Lets what is due take effect, in order; in slices: for about one, unless it is done earlier.
 * Returns the time that it came to. */
static int64_t settle(hwsim_device *device, int64_t now_ns, bool in_slices) {
  timeline *self = device->timeline;
  int64_t slice_end_ns = 0, reached_ns = 0;
  if (self->held) {
    run_errands(device, self->held_ns);
    return now_ns;
  }
  for (bool first_step = true;; first_step = false) {
    heap_node *first = self->sources.root;
    bool due = first && first->time_ns <= now_ns;
    bool is_op = !due || first->order >> 56 >= RANK_RULE;
    if (self->errands && is_op) { /* after all that followed from the time alone */
      run_errands(device, due ? first->time_ns : now_ns);
      continue;
    }
    if (!due)
      return now_ns;
    if (in_slices && !first_step && slice_is_over(&slice_end_ns))
      return first->time_ns > reached_ns ? first->time_ns : reached_ns;
    int64_t at_ns = reached_ns = first->time_ns;
    heap_remove(&self->sources, first);
    const heap_node *next = self->sources.root;
    source *acting = ELEMENT(first, source, node);
    acting->fire(device, acting, at_ns, next ? earlier(next->time_ns, now_ns) : now_ns);
    if (is_op)
      run_errands(device, at_ns);
    if (self->held)
      return at_ns;
  }
}

void timeline_settle(hwsim_device *device, int64_t now_ns) { settle(device, now_ns, false); }

void timeline_move(hwsim_device *device, int64_t to_ns) {
  clock_state *clock = &device->timeline->clock;
  if (device->timeline->held)
    return;
  if (clock->time_ns < to_ns)
    clock->time_ns = to_ns;
  clock->time_ns = settle(device, clock->time_ns, true);
}

bool timeline_jump(hwsim_device *device, int64_t to_ns) {
  if (device->config.clock != HWSIM_CLOCK_VIRTUAL || to_ns == FOREVER || device->timeline->held)
    return false;
  timeline_move(device, to_ns);
  return true;
}
