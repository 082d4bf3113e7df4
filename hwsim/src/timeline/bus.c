/* The bus: operations on their way, in order.
 *
 * An operation takes the next free slot, `latency +- jitter + bytes / bandwidth` long, and takes
 * effect at its end. One that is cancelled, times out or is closed before that leaves without
 * effect; the rest of its slot goes back to the bus. Only the first operation has a known end: when
 * another leaves, nothing has to be moved. */
#include "timeline/bus.h"

#include "base/handle.h"
#include "base/random.h"
#include "timeline/callout.h"

#include <math.h>

struct bus {
  const bus_host *host; /* constant */
  atomic_int detours;   /* reasons why no operation can take the short way */
  bool off, exclusive;
  bool may_call;    /* constant: operations may wait for a behaviour */
  list queue;       /* operations on the bus, in order */
  list armed;       /* operations that wait for a condition */
  callout *callout; /* of the first operation, or one that was; NULL: none */
  list held_up;     /* operations that are told when it is over */
  uint64_t transactions;
  uint32_t pending;
  topic on_pending, on_connection;
  int64_t forgotten_ns; /* when the power came back last */
  int64_t timeout_ns;
  uint64_t cancels;
};

static op *from_list(list_link *element) { return ELEMENT(element, op, on_list); }
static op *first_on_bus(const bus *self) { return from_list(list_first(&self->queue)); }

size_t bus_size(void) { return sizeof(bus); }

void bus_open(hwsim_device *device, const bus_host *host) {
  bus *self = device->bus;
  const hwsim_config *config = &device->config;
  bool instant = !config->latency_ns && !config->jitter_ns && isinf(config->bandwidth_bps);
  self->host = host;
  atomic_init(&self->detours, !instant);
  self->may_call = callout_concerns(device);
  list_init(&self->queue);
  list_init(&self->armed);
  list_init(&self->held_up);
  topic_init(&self->on_pending, false);
  topic_init(&self->on_connection, false);
  self->timeout_ns = config->timeout_ns;
}

/* ------------------------------------------------------------------------ pending operations -- */

/* By itself it acts when its slot ends, if it is the first on the bus, or when its condition comes
 * true; at its deadline otherwise. */
static void schedule(hwsim_device *device, op *self) {
  bool waiting = self->state == OP_WAITING, first = self == first_on_bus(device->bus);
  int64_t at_ns = waiting ? self->wake_ns : first ? self->done_ns : FOREVER;
  if (at_ns <= self->deadline_ns)
    timeline_schedule(device, &self->source, waiting ? RANK_ARMED : RANK_DONE, at_ns);
  else
    timeline_schedule(device, &self->source, waiting ? RANK_ARMED_DEADLINE : RANK_DEADLINE,
                      self->deadline_ns);
}

static void tell_moved(op *self) {
  if (self->moved)
    self->moved(self, self->user);
}

static void leave_lists(hwsim_device *device, op *self) {
  list_remove(&self->on_list);
  if (self->state == OP_WAITING && self->topic)
    list_remove(&self->on_topic);
  timeline_schedule(device, &self->source, RANK_DONE, FOREVER);
}

/* Time goes on. */
static void end_call(hwsim_device *device) {
  bus *line = device->bus;
  line->callout = NULL;
  bus_add_detour(device, -1);
  timeline_release(device);
  for (list_link *each; (each = list_first(&line->held_up));) {
    op *waiting = ELEMENT(each, op, on_hold);
    bus_unwatch_held(waiting);
    tell_moved(waiting);
  }
}

static void finish(hwsim_device *device, op *self, hwsim_error result) {
  callout *out = device->bus->callout;
  leave_lists(device, self);
  bus_unwatch_held(self);
  if (out && out->op == self) {
    out->op = NULL;
    if (!out->running)
      end_call(device);
  }
  self->state = OP_ENDED;
  if (!self->kind->observer)
    device->bus->pending--;
  self->result = result;
  if (self->done)
    self->done(self, self->user);
}

/* The first operation on the bus has its slot from `free_ns` on. */
static void start_first(hwsim_device *device, int64_t free_ns) {
  op *first = first_on_bus(device->bus);
  if (!first)
    return;
  int64_t expected_ns = first->done_ns;
  first->start_ns = free_ns;
  first->done_ns = time_after(free_ns, first->cost_ns);
  schedule(device, first);
  if (first->done_ns != expected_ns)
    tell_moved(first);
}

/* Whether what an armed operation waits for has come. */
static void ask(hwsim_device *device, op *self, int64_t at_ns) {
  int64_t wake_ns = self->wake_ns;
  hwsim_error result = self->kind->apply(device, self, at_ns);
  if (result == OP_ARMED) {
    schedule(device, self);
    if (self->wake_ns != wake_ns)
      tell_moved(self);
    return;
  }
  finish(device, self, result);
  if (self->topic && self->topic->takes_turns)
    topic_touch(device, self->topic);
}

static void ask_all(hwsim_device *device, errand *errand, int64_t at_ns) {
  topic *self = ELEMENT(errand, topic, errand);
  for (op *each = topic_first(self), *next; each; each = next) {
    next = self->takes_turns ? NULL : topic_next(self, each);
    ask(device, each, at_ns);
  }
}

void topic_init(topic *self, bool takes_turns) {
  *self = (topic){.errand = {.run = ask_all}, .takes_turns = takes_turns};
  list_init(&self->ops);
}

op *topic_first(const topic *self) { return ELEMENT(list_first(&self->ops), op, on_topic); }

op *topic_next(const topic *self, const op *before) {
  return ELEMENT(list_next(&self->ops, &before->on_topic), op, on_topic);
}

void topic_touch(hwsim_device *device, topic *self) {
  if (!list_is_empty(&self->ops))
    timeline_defer(device, &self->errand);
}

static void arm(hwsim_device *device, op *self) {
  if (op_is_pending(self))
    list_remove(&self->on_list);
  self->state = OP_WAITING;
  list_append(&device->bus->armed, &self->on_list);
  if (self->topic)
    list_append(&self->topic->ops, &self->on_topic);
  schedule(device, self);
}

/* --------------------------------------------------------------------------- what may happen -- */

static void expire(hwsim_device *device, op *self, int64_t at_ns);

/* False: there is nothing to call. */
static bool call_out(hwsim_device *device, op *self, int64_t at_ns) {
  callout *out = self->calls && !self->called ? self->kind->begin(device, self, at_ns) : NULL;
  if (!out)
    return false;
  out->op = self;
  out->running = false;
  out->at_ns = at_ns;
  self->state = OP_CALLING;
  self->done_ns = FOREVER;
  device->bus->callout = out;
  bus_add_detour(device, 1);
  timeline_hold(device, at_ns);
  tell_moved(self);
  return true;
}

/* Its thread waits for it, maybe below what this thread does now, or nobody does. */
static bool is_for(const callout *out, const op *waiting) {
  return out->op == waiting || out->op->asynchronous || (waiting && out->op->user == waiting->user);
}

/* The call has said what becomes of its operation. */
static void take_up(hwsim_device *device, op *self, const callout *out) {
  self->called = true;
  if (out->result) {
    self->fate.result = out->result;
    self->fate.reason = out->reason;
    self->fate.said = true;
  }
  self->state = OP_ON_BUS;
  self->done_ns = time_after(out->at_ns, out->spent_ns);
  schedule(device, self);
  tell_moved(self);
}

/* That holds the time of this device; NULL: none does. */
static callout *current_call(const hwsim_device *device) {
  const hwsim_device *holder = timeline_holder(device);
  return holder ? holder->bus->callout : NULL;
}

bus_call bus_make_call(hwsim_device *device, const op *waiting) {
  callout *out = current_call(device);
  if (!out || out->running || !is_for(out, waiting))
    return CALL_NONE;
  hwsim_device *holder = timeline_holder(device);
  if (holder != device) /* which the caller keeps open */
    handle_retain(holder);
  out->running = true;
  pthread_mutex_unlock(timeline_mutex(device));
  callout_enter();
  out->run(holder, out);
  callout_leave();
  if (handle_is_forked(device))
    return CALL_FORKED;
  pthread_mutex_lock(timeline_mutex(device));
  op *self = out->op;
  end_call(holder);
  if (self)
    take_up(holder, self, out);
  timeline_update(device);
  if (holder != device) {
    pthread_mutex_unlock(timeline_mutex(device));
    handle_release(holder);
    pthread_mutex_lock(timeline_mutex(device));
  }
  return CALL_MADE;
}

void bus_expire_held(hwsim_device *device, op *self) {
  const callout *out = current_call(device);
  if (out && out->op != self && op_is_pending(self) && self->deadline_ns != FOREVER &&
      timeline_now(device) > timeline_held_until(device, self->deadline_ns))
    expire(device, self, timeline_now(device));
}

void bus_watch_held(hwsim_device *device, op *self) {
  if (!self->held_up)
    list_append(&timeline_holder(device)->bus->held_up, &self->on_hold);
  self->held_up = true;
}

void bus_unwatch_held(op *self) {
  if (self->held_up)
    list_remove(&self->on_hold);
  self->held_up = false;
}

/* When to look again at an operation while time stands still. */
static int64_t next_held_ns(hwsim_device *device, op *self) {
  const callout *out = current_call(device);
  if (out->op == self && !out->running)
    return out->at_ns;
  bus_watch_held(device, self);
  return device->config.clock == HWSIM_CLOCK_REAL || device->config.clock == HWSIM_CLOCK_SCALED
             ? time_after(timeline_held_until(device, self->deadline_ns), 1)
             : FOREVER;
}

/* Its slot on the bus has ended. */
static void complete(hwsim_device *device, op *self, int64_t at_ns) {
  const bus_host *host = device->bus->host;
  hwsim_error result = self->fate.result;
  if (self->fate.hits && !self->called)
    host->suffered(device, self, at_ns);
  if (self->fate.power_fails && self->kind->tear)
    self->kind->tear(device, self);
  if (!result && call_out(device, self, at_ns))
    return;
  if (result == HWSIM_EDISCONNECTED && !self->fate.said)
    bus_power_off(device, self, at_ns);
  else if (!result)
    result = self->kind->apply(device, self, at_ns);
  if (result == OP_ARMED) {
    arm(device, self);
    tell_moved(self);
  } else if (op_is_pending(self)) {
    finish(device, self, result);
  }
  start_first(device, at_ns);
}

static void stall(hwsim_device *device, op *self) {
  self->stalled = true;
  self->done_ns = FOREVER;
  schedule(device, self);
}

void bus_resume(hwsim_device *device, int64_t now_ns) {
  op *first = first_on_bus(device->bus);
  if (!first || !first->stalled)
    return;
  first->stalled = false;
  first->done_ns = now_ns;
  schedule(device, first);
  tell_moved(first);
}

static void abort_at(hwsim_device *device, op *self, hwsim_error result, int64_t now_ns) {
  bool was_first = self == first_on_bus(device->bus);
  int64_t free_ns = self->start_ns > now_ns ? self->start_ns : now_ns;
  finish(device, self, result);
  if (was_first)
    start_first(device, free_ns);
  if (self->topic && self->topic->takes_turns)
    topic_touch(device, self->topic); /* one may have waited for its turn behind this one */
}

void bus_abort(hwsim_device *device, op *self, hwsim_error result) {
  abort_at(device, self, result, timeline_now(device));
}

void bus_abort_all(hwsim_device *device, hwsim_error result) {
  for (op *each; (each = first_on_bus(device->bus));)
    finish(device, each, result);
  for (op *each; (each = from_list(list_first(&device->bus->armed)));)
    finish(device, each, result);
}

static void expire(hwsim_device *device, op *self, int64_t at_ns) {
  if (self->state == OP_ON_BUS && self->fate.unanswered)
    device->bus->host->suffered(device, self, at_ns);
  abort_at(device, self, HWSIM_ETIMEOUT, at_ns);
}

static void fire(hwsim_device *device, source *source, int64_t at_ns, int64_t until_ns) {
  (void)until_ns;
  op *self = ELEMENT(source, op, source);
  bool first = self == first_on_bus(device->bus);
  if (self->state == OP_WAITING && self->wake_ns <= at_ns)
    ask(device, self, at_ns);
  else if (!first || self->done_ns > at_ns)
    expire(device, self, at_ns);
  else if (device->bus->host->holds_back(device, op_causes(self)))
    stall(device, self);
  else
    complete(device, self, at_ns);
}

/* -------------------------------------------------------------------------------- submitting -- */

/* Time on the bus, with the jitter of this operation. */
static int64_t cost(const hwsim_config *config, const op *self) {
  int64_t cost_ns = config->latency_ns;
  if (config->jitter_ns) {
    double unit = random_unit(random_bits(config->seed, RANDOM_JITTER, self->number));
    cost_ns += (int64_t)((double)config->jitter_ns * (2 * unit - 1));
  }
  if (!isinf(config->bandwidth_bps))
    cost_ns = add_saturated(cost_ns, (int64_t)ceil(self->bytes * 1e9 / config->bandwidth_bps));
  return cost_ns;
}

/* What a fault does to an operation that has no slot on the bus. */
static hwsim_error suffer(hwsim_device *device, const op *self, int64_t now_ns) {
  bus *line = device->bus;
  if (self->fate.hits)
    line->host->suffered(device, self, now_ns);
  if (line->off)
    return HWSIM_EDISCONNECTED;
  if (self->fate.result == HWSIM_EDISCONNECTED)
    bus_power_off(device, NULL, now_ns);
  return self->fate.unanswered ? HWSIM_OK : self->fate.result;
}

static void put_on_bus(hwsim_device *device, op *self, int64_t now_ns) {
  bus *line = device->bus;
  const op *last = from_list(list_last(&line->queue));
  self->cost_ns = self->fate.unanswered
                      ? FOREVER
                      : add_saturated(self->fate.delay_ns, cost(&device->config, self));
  self->start_ns = last ? last->done_ns : now_ns;
  self->done_ns = time_after(self->start_ns, self->cost_ns);
  self->state = OP_ON_BUS;
  list_append(&line->queue, &self->on_list);
  schedule(device, self);
}

static void put_beside(hwsim_device *device, op *self, int64_t now_ns) {
  self->cost_ns = self->fate.delay_ns;
  self->start_ns = now_ns;
  self->wake_ns = FOREVER;
  arm(device, self);
  ask(device, self, now_ns);
}

/* With a number and a fate. An error: it never gets onto the timeline. */
static hwsim_error decide(hwsim_device *device, op *self, int64_t now_ns) {
  bus *line = device->bus;
  self->number = ++line->transactions;
  line->host->decide(device, self);
  if (self->fate.reconnects)
    bus_power_on(device, now_ns);
  if (self->kind->off_bus)
    return suffer(device, self, now_ns);
  if (!line->off)
    return HWSIM_OK;
  if (self->fate.hits)
    line->host->suffered(device, self, now_ns);
  return HWSIM_EDISCONNECTED;
}

/* Whatever the time is: reading the clock would cost more than all the rest. */
bool bus_run_at_once(hwsim_device *device, op *self) {
  bus *line = device->bus;
  if (atomic_load_explicit(&line->detours, memory_order_relaxed) || self->timed ||
      handle_is_forked(device) || (line->may_call && callout_is_inside()))
    return false;
  pthread_mutex_t *mutex = timeline_mutex(device);
  pthread_mutex_lock(mutex);
  bool free = !atomic_load_explicit(&line->detours, memory_order_relaxed) &&
              list_is_empty(&line->queue) && list_is_empty(&line->armed);
  if (free) {
    self->number = ++line->transactions;
    self->result = self->kind->apply(device, self, 0);
  }
  pthread_mutex_unlock(mutex);
  return free;
}

hwsim_error bus_submit(hwsim_device *device, op *self, int64_t timeout_ns) {
  bus *line = device->bus;
  const op_kind *kind = self->kind;
  self->state = OP_ENDED;
  self->number = 0;
  self->done = self->moved = NULL;
  self->user = NULL;
  self->called = self->asynchronous = self->held_up = false;
  self->timeout_ns = timeout_ns;
  if (line->exclusive && !kind->maintenance && !kind->observer)
    return self->result = HWSIM_EBUSY;

  int64_t now_ns = timeline_update(device);
  self->source = (source){.fire = fire};
  self->stalled = false;
  if (!kind->observer && (self->result = decide(device, self, now_ns)))
    return self->result;
  self->deadline_ns = time_after(now_ns, timeout_ns);
  if (!kind->observer) {
    line->pending++;
    topic_touch(device, &line->on_pending);
  }
  if (kind->off_bus)
    put_beside(device, self, now_ns);
  else
    put_on_bus(device, self, now_ns);
  timeline_settle(device, now_ns);
  return op_is_pending(self) ? HWSIM_OK : self->result;
}

/* The known end of what is before it on the bus, and its own cost; exact, in time that grows with
 * the queue. */
static int64_t exact_done_ns(const bus *line, const op *self) {
  const op *each = first_on_bus(line);
  int64_t done_ns = each->done_ns;
  while (each != self) {
    each = from_list(each->on_list.next);
    done_ns = time_after(done_ns, each->cost_ns);
  }
  return done_ns;
}

bool bus_jump(hwsim_device *device, const op *self) {
  int64_t due_ns = self->state == OP_WAITING ? self->wake_ns : exact_done_ns(device->bus, self);
  return timeline_jump(device, earlier(due_ns, self->deadline_ns));
}

int64_t bus_next_ns(hwsim_device *device, op *self) {
  if (timeline_is_held(device))
    return next_held_ns(device, self);
  int64_t due_ns = self->state == OP_WAITING ? self->wake_ns : self->done_ns;
  const op *first = first_on_bus(device->bus);
  bool expected = due_ns != FOREVER && due_ns > timeline_now(device);
  if (self->state == OP_ON_BUS && self != first && !expected)
    due_ns = first->asynchronous ? first->done_ns : FOREVER; /* it is told of its turn */
  return earlier(due_ns, self->deadline_ns);
}

/* ------------------------------------------------------------------------ state and counters -- */

uint64_t bus_cancels(const hwsim_device *device) { return device->bus->cancels; }
uint64_t bus_transactions(const hwsim_device *device) { return device->bus->transactions; }
uint32_t bus_pending(const hwsim_device *device) { return device->bus->pending; }
topic *bus_pending_topic(const hwsim_device *device) { return &device->bus->on_pending; }
topic *bus_connection_topic(const hwsim_device *device) { return &device->bus->on_connection; }
int64_t bus_default_timeout(const hwsim_device *device) { return device->bus->timeout_ns; }
void bus_set_default_timeout(hwsim_device *device, int64_t timeout_ns) {
  device->bus->timeout_ns = timeout_ns;
}

void bus_close(hwsim_device *device) {
  bus_add_detour(device, 1);
  bus_abort_all(device, HWSIM_ECLOSED);
}

void bus_cancel_all(hwsim_device *device) {
  bus_abort_all(device, HWSIM_ECANCELLED);
  device->bus->cancels++;
}

/* Under the mutex; atomic because the short way looks before it takes that. */
void bus_add_detour(hwsim_device *device, int by) {
  atomic_int *detours = &device->bus->detours;
  int before = atomic_load_explicit(detours, memory_order_relaxed);
  atomic_store_explicit(detours, before + by, memory_order_relaxed);
}

void bus_set_exclusive(hwsim_device *device, bool exclusive) {
  bus_add_detour(device, exclusive - device->bus->exclusive);
  device->bus->exclusive = exclusive;
}

void bus_power_off(hwsim_device *device, const op *cause, int64_t at_ns) {
  device->bus->host->power_off(device, cause, at_ns);
}

void bus_power_on(hwsim_device *device, int64_t at_ns) {
  device->bus->host->power_on(device, at_ns);
}

bool bus_is_off(const hwsim_device *device) { return device->bus->off; }

int64_t bus_forgotten_ns(const hwsim_device *device, int64_t now_ns) {
  return device->bus->off ? now_ns : device->bus->forgotten_ns;
}

static void set_off(hwsim_device *device, bool off) {
  bus_add_detour(device, off - device->bus->off);
  device->bus->off = off;
  topic_touch(device, &device->bus->on_connection);
}

bool bus_off(hwsim_device *device) {
  bus *self = device->bus;
  set_off(device, true);
  for (list_link *each = list_first(&self->armed), *next; each; each = next) {
    next = list_next(&self->armed, each);
    if (!from_list(each)->kind->observer)
      finish(device, from_list(each), HWSIM_EDISCONNECTED);
  }
  for (op *first; (first = first_on_bus(self)) && !first->fate.reconnects;)
    finish(device, first, HWSIM_EDISCONNECTED);
  return !list_is_empty(&self->queue);
}

void bus_on(hwsim_device *device, int64_t at_ns) {
  set_off(device, false);
  device->bus->forgotten_ns = at_ns;
}

void bus_restart(hwsim_device *device, int64_t at_ns) { start_first(device, at_ns); }
