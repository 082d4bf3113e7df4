/* The timeline: sources, settled in the order of their times, under one mutex, by one clock; and
 * the clocks that devices share. */
#include "timeline/timeline.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/memory.h"
#include "timeline/clock.h"
#include "timeline/operation.h"

/* What devices on one clock have together. */
typedef struct line {
  pthread_mutex_t mutex; /* guards all of it, and what hangs on it */
  heap sources;
  uint64_t order;  /* of scheduling */
  errand *errands; /* a list */
  clock_state clock;
  hwsim_device *holder;     /* NULL: it is not held */
  int64_t held_ns, late_ns; /* where it stands, and how far behind its clock it was then */
} line;

/* One that has a name; guarded by clocks_mutex, but for the line. */
typedef struct named_line {
  line line; /* the first member */
  char name[sizeof((hwsim_config *)0)->clock_name];
  double scale;
  size_t devices;    /* that are open; 0: nobody finds it any more */
  size_t references; /* of devices that there are */
  struct named_line *next;
} named_line;

struct timeline {
  line *line;        /* constant: whose mutex and clock it has */
  named_line *named; /* constant; NULL: the line is the device's own */
  line *settled;     /* where its sources are: that line, and its own once it is closed */
  bool closed;
  int64_t closed_ns; /* where its time stands then */
  line own;
};

static void line_start(line *self, const hwsim_config *config) {
  pthread_mutex_init(&self->mutex, NULL);
  self->clock = clock_start(config);
}

/* ------------------------------------------------------------------------- clocks with a name --
 */

static pthread_mutex_t clocks_mutex = PTHREAD_MUTEX_INITIALIZER;
static named_line *clocks; /* those that devices are open on */

void timelines_before_fork(void) { pthread_mutex_lock(&clocks_mutex); }

void timelines_after_fork(bool in_child) {
  if (in_child)
    clocks = NULL;
  pthread_mutex_unlock(&clocks_mutex);
}

static named_line *named_new(const hwsim_config *config) {
  named_line *self = zeroed(sizeof *self);
  if (!self)
    return NULL;
  line_start(&self->line, config);
  memcpy(self->name, config->clock_name, sizeof self->name);
  self->scale = config->clock_scale;
  self->next = clocks;
  return clocks = self;
}

static hwsim_error join(const hwsim_config *config, named_line **line_out) {
  hwsim_error error = HWSIM_OK;
  const char *operation = OPERATION(device, open)->name;
  pthread_mutex_lock(&clocks_mutex);
  named_line *self = clocks;
  while (self && strcmp(self->name, config->clock_name) != 0)
    self = self->next;
  if (!self && !(self = named_new(config)))
    error = error_no_memory(config->name, operation);
  else if (self->line.clock.kind != config->clock || self->scale < config->clock_scale ||
           self->scale > config->clock_scale)
    error = error_set(HWSIM_EINVALID, config->name, operation,
                      "clock: devices that are open have '%s' as a clock of another kind",
                      config->clock_name);
  if (!error) {
    self->devices++;
    self->references++;
    *line_out = self;
  }
  pthread_mutex_unlock(&clocks_mutex);
  return error;
}

/* One device less that is open. */
static void leave(named_line *self) {
  pthread_mutex_lock(&clocks_mutex);
  if (!--self->devices) {
    named_line **link = &clocks;
    while (*link != self)
      link = &(*link)->next;
    *link = self->next;
  }
  pthread_mutex_unlock(&clocks_mutex);
}

static void drop(named_line *self) {
  pthread_mutex_lock(&clocks_mutex);
  bool last = !--self->references;
  pthread_mutex_unlock(&clocks_mutex);
  if (!last)
    return;
  pthread_mutex_destroy(&self->line.mutex);
  free(self);
}

/* -------------------------------------------------------------------------------------- life -- */

size_t timeline_size(void) { return sizeof(timeline); }

hwsim_error timeline_open(hwsim_device *device) {
  timeline *self = device->timeline;
  hwsim_error error = HWSIM_OK;
  if (*device->config.clock_name)
    error = join(&device->config, &self->named);
  if (self->named)
    self->line = &self->named->line;
  else
    line_start(self->line = &self->own, &device->config);
  self->settled = self->line;
  return error;
}

void timeline_free(hwsim_device *device) {
  timeline *self = device->timeline;
  if (self->line == &self->own)
    pthread_mutex_destroy(&self->own.mutex);
  if (!self->named)
    return;
  if (!self->closed) /* it has never been open */
    leave(self->named);
  drop(self->named);
}

int64_t timeline_start(hwsim_device *device) {
  return timeline_is_shared(device) ? timeline_update(device) : 0;
}

/* What is left to do for a device that is closed has nothing to do with others. */
static void move_out(hwsim_device *device) {
  timeline *self = device->timeline;
  heap others = {0};
  for (heap_node *first; (first = self->line->sources.root);) {
    heap_remove(&self->line->sources, first);
    bool own = ELEMENT(first, source, node)->device == device;
    heap_put(own ? &self->own.sources : &others, first);
  }
  self->line->sources = others;
  self->settled = &self->own;
  leave(self->named);
}

bool timeline_close(hwsim_device *device) {
  timeline *self = device->timeline;
  if (self->closed)
    return false;
  self->closed_ns = timeline_now(device);
  self->closed = true;
  timeline_settle(device, self->closed_ns); /* what was done in time keeps its result */
  if (self->named)
    move_out(device);
  return true;
}

bool timeline_is_shared(const hwsim_device *device) { return device->timeline->named; }

bool timeline_is_one(const hwsim_device *device, const hwsim_device *other) {
  return device->timeline->line == other->timeline->line;
}

/* -------------------------------------------------------------------------------------- lock -- */

hwsim_error timeline_lock_any(hwsim_device *device, const hwsim_operation *operation) {
  if (handle_is_forked(device))
    return error_set(HWSIM_EFORKED, device->config.name, operation->name,
                     "the device was opened before fork(), in the parent process; "
                     "open it again in this one");
  pthread_mutex_lock(timeline_mutex(device));
  return HWSIM_OK;
}

hwsim_error timeline_lock(hwsim_device *device, const hwsim_operation *operation) {
  hwsim_error error = timeline_lock_any(device, operation);
  if (!error && device->timeline->closed) {
    pthread_mutex_unlock(timeline_mutex(device));
    error = error_set(HWSIM_ECLOSED, device->config.name, operation->name, "the device is closed");
  }
  return error;
}

void timeline_unlock(hwsim_device *device) {
  if (device->timeline->settled->errands)
    timeline_update(device);
  pthread_mutex_unlock(timeline_mutex(device));
}

pthread_mutex_t *timeline_mutex(const hwsim_device *device) {
  return &device->timeline->line->mutex;
}

/* -------------------------------------------------------------------------------------- time -- */

int64_t timeline_now(const hwsim_device *device) {
  const timeline *self = device->timeline;
  return self->closed ? self->closed_ns : clock_read(&self->line->clock);
}

int64_t timeline_to_monotonic(const hwsim_device *device, int64_t time_ns) {
  return clock_to_monotonic(&device->timeline->line->clock, time_ns);
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
  line *line = device->timeline->settled;
  if (heap_holds(&self->node)) {
    if (self->node.time_ns == at_ns && self->node.order >> 56 == rank)
      return;
    heap_remove(&line->sources, &self->node);
  }
  if (at_ns == FOREVER)
    return;
  self->device = device;
  self->node.time_ns = at_ns;
  self->node.order = (uint64_t)rank << 56 | line->order++;
  heap_put(&line->sources, &self->node);
}

void timeline_hold(hwsim_device *device, int64_t at_ns) {
  line *self = device->timeline->line;
  self->holder = device;
  self->held_ns = at_ns;
  self->late_ns = clock_read(&self->clock) - at_ns;
}

void timeline_release(hwsim_device *device) { device->timeline->line->holder = NULL; }

hwsim_device *timeline_holder(const hwsim_device *device) { return device->timeline->line->holder; }

bool timeline_is_held(const hwsim_device *device) { return timeline_holder(device) != NULL; }

int64_t timeline_held_until(const hwsim_device *device, int64_t time_ns) {
  return add_saturated(time_ns, device->timeline->line->late_ns);
}

void timeline_defer(hwsim_device *device, errand *self) {
  if (self->deferred)
    return;
  self->deferred = true;
  self->device = device;
  self->next = device->timeline->settled->errands;
  device->timeline->settled->errands = self;
}

static void run_errands(line *self, int64_t at_ns) {
  for (errand *each; (each = self->errands);) {
    self->errands = each->next;
    each->deferred = false;
    each->run(each->device, each, at_ns);
  }
}

/* Lets what is due take effect, in order; in slices: for about one, unless it is done earlier.
 * Returns the time that it came to. */
static int64_t settle(line *self, int64_t now_ns, bool in_slices) {
  int64_t slice_end_ns = 0, reached_ns = 0;
  if (self->holder) {
    run_errands(self, self->held_ns);
    return now_ns;
  }
  for (bool first_step = true;; first_step = false) {
    heap_node *first = self->sources.root;
    bool due = first && first->time_ns <= now_ns;
    bool is_op = !due || first->order >> 56 >= RANK_RULE;
    if (self->errands && is_op) { /* after all that followed from the time alone */
      run_errands(self, due ? first->time_ns : now_ns);
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
    acting->fire(acting->device, acting, at_ns, next ? earlier(next->time_ns, now_ns) : now_ns);
    if (is_op)
      run_errands(self, at_ns);
    if (self->holder)
      return at_ns;
  }
}

void timeline_settle(hwsim_device *device, int64_t now_ns) {
  settle(device->timeline->settled, now_ns, false);
}

void timeline_move(hwsim_device *device, int64_t to_ns) {
  line *self = device->timeline->line;
  if (self->holder || device->timeline->closed)
    return;
  if (self->clock.time_ns < to_ns)
    self->clock.time_ns = to_ns;
  self->clock.time_ns = settle(self, self->clock.time_ns, true);
}

bool timeline_jump(hwsim_device *device, int64_t to_ns) {
  if (device->config.clock != HWSIM_CLOCK_VIRTUAL || to_ns == FOREVER || timeline_is_held(device))
    return false;
  timeline_move(device, to_ns);
  return true;
}
