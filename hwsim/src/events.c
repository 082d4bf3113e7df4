/* Events: what happens on a device, and the queues of those who want to know.
 *
 * Most events are effects of operations, and are put into the queues at once. Ticks and crossed
 * thresholds follow from the time alone: nobody makes them until somebody settles the device, and
 * then those that are due by now are put into the queues, in the order of their times. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST_QUEUE = 1 << 20 };

#define HWSIM_X(name, value, text) [value] = text,
static const char *const names[] = {HWSIM_EVENTS(HWSIM_X)};
#undef HWSIM_X

const char *hwsim_event_name(hwsim_event_kind kind) {
  return (unsigned)kind < ARRAY_LENGTH(names) ? names[kind] : NULL;
}

hwsim_error hwsim_event_find(const char *text, hwsim_event_kind *kind_out) {
  for (unsigned kind = 0; text && kind < ARRAY_LENGTH(names); kind++)
    if (strcmp(names[kind], text) == 0) {
      *kind_out = (hwsim_event_kind)kind;
      return HWSIM_OK;
    }
  const char *near = text ? nearest(text, names, ARRAY_LENGTH(names), sizeof *names) : NULL;
  return error_set(HWSIM_EINVALID, "", "subscribe", "there is no kind of event '%.40s'%s%s",
                   text ? text : "", near ? "; the nearest is " : "", near ? near : "");
}

/* -------------------------------------------------------------------------------- the queues -- */

static bool wants(const hwsim_subscription *self, hwsim_event_kind kind) {
  return self->config.kinds & HWSIM_EVENT_BIT(kind);
}

static bool is_full(const hwsim_subscription *self) { return self->count >= self->config.queue; }

/* It holds back what can wait. */
static bool holds_back(const hwsim_subscription *self) {
  return self->config.overflow == HWSIM_OVERFLOW_WAIT && is_full(self);
}

static void push(hwsim_subscription *self, hwsim_event event) {
  event.sequence = self->sequence++;
  if (self->device->current && self->device->current->mute)
    return;
  if (self->config.overflow == HWSIM_OVERFLOW_DROP) {
    if (is_full(self)) {
      self->head = (self->head + 1) % self->room;
      self->count--;
    }
  } else if (self->count >= (self->device->current ? self->room : self->config.queue)) {
    return; /* an effect found room when it began; what is none cannot wait */
  }
  self->ring[(self->head + self->count++) % self->room] = event;
  if (self->config.handler.handle && self->count == 1) /* otherwise it is scheduled already */
    timer_schedule(self, clock_monotonic_ns());
}

static size_t pop(hwsim_subscription *self, hwsim_event *events_out, size_t capacity) {
  size_t count = self->count < capacity ? self->count : capacity;
  for (size_t i = 0; i < count; i++) {
    hwsim_event *event = &events_out[i];
    *event = self->ring[self->head];
    event->lost = event->sequence - self->expected;
    self->expected = event->sequence + 1;
    self->head = (self->head + 1) % self->room;
  }
  self->count -= count;
  self->delivered += count;
  return count;
}

void events_emit(hwsim_device *device, hwsim_event_kind kind, int64_t at_ns, uint32_t channel,
                 double value) {
  if (kind <= HWSIM_EVENT_FIRMWARE) /* those after it have no bit in EVENT_STATUS */
    registers_latch_event(device, HWSIM_EVENT_BIT(kind));
  hwsim_event event = {.kind = kind, .time_ns = at_ns, .channel = channel, .value = value};
  for (hwsim_subscription *self = device->subscriptions; self; self = self->next)
    if (wants(self, kind))
      push(self, event);
}

bool events_wanted(const hwsim_device *device, hwsim_event_kind kind) {
  const hwsim_subscription *self = device->subscriptions;
  while (self && !wants(self, kind))
    self = self->next;
  return self;
}

bool events_hold(const hwsim_device *device, uint32_t kinds) {
  for (const hwsim_subscription *self = device->subscriptions; self; self = self->next)
    if (holds_back(self) && (self->config.kinds & kinds))
      return true;
  return false;
}

/* --------------------------------------------------------------------------------- the timer -- */

static int64_t tick_time(const hwsim_device *device, uint64_t tick) {
  uint64_t most = (uint64_t)(FOREVER - device->timer_base_ns) / (uint64_t)device->timer_ns;
  return tick > most ? FOREVER : device->timer_base_ns + (int64_t)tick * device->timer_ns;
}

/* Ticks from the timer's start until a time. */
static uint64_t ticks_by(const hwsim_device *device, int64_t at_ns) {
  bool runs = device->timer_ns && !device->disconnected;
  return runs ? (uint64_t)((at_ns - device->timer_base_ns) / device->timer_ns) : 0;
}

static int64_t next_tick_ns(const hwsim_subscription *self) {
  const hwsim_device *device = self->device;
  bool comes = device->timer_ns && !device->disconnected && wants(self, HWSIM_EVENT_TIMER);
  return comes && !holds_back(self) ? tick_time(device, self->ticks + 1) : FOREVER;
}

/* The ticks due by a time. However many they are: those that the queue would drop at once are only
 * counted. */
static bool push_ticks(hwsim_subscription *self, int64_t until_ns) {
  if (next_tick_ns(self) > until_ns)
    return false;
  uint64_t by_now = ticks_by(self->device, until_ns), due = by_now - self->ticks;
  if (self->config.overflow == HWSIM_OVERFLOW_DROP && due > self->config.queue) {
    uint64_t skipped = due - self->config.queue;
    self->ticks += skipped;
    self->sequence += skipped;
    self->count = 0;
  }
  while (self->ticks < by_now && !holds_back(self)) {
    self->ticks++;
    push(self, (hwsim_event){.kind = HWSIM_EVENT_TIMER,
                             .time_ns = tick_time(self->device, self->ticks),
                             .value = (double)self->ticks});
  }
  return true;
}

/* Ticks that are still held back will not come any more: the timer stops. */
static void stop_timer(hwsim_device *device, int64_t now_ns) {
  uint64_t by_now = ticks_by(device, now_ns);
  for (hwsim_subscription *self = device->subscriptions; self; self = self->next)
    if (wants(self, HWSIM_EVENT_TIMER) && by_now > self->ticks)
      self->sequence += by_now - self->ticks;
}

static void start_timer(hwsim_device *device, int64_t period_ns, int64_t now_ns) {
  device->timer_ns = period_ns;
  device->timer_base_ns = now_ns;
  for (hwsim_subscription *self = device->subscriptions; self; self = self->next)
    self->ticks = 0;
}

hwsim_error hwsim_timer_set(hwsim_device *device, int64_t period_ns) {
  if (period_ns && (period_ns < SHORTEST_TIMER_NS || period_ns > HOUR_NS))
    return error_set(HWSIM_EINVALID, device->config.name, "timer",
                     "timer must be 0 or from 1e-06 to 3600 s, got %g s", (double)period_ns / 1e9);
  hwsim_error error = device_lock(device, "timer");
  if (error)
    return error;
  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns);
  stop_timer(device, now_ns);
  start_timer(device, period_ns, now_ns);
  events_reschedule(device, now_ns);
  device_unlock(device);
  return HWSIM_OK;
}

hwsim_error hwsim_timer_get(hwsim_device *device, int64_t *period_ns_out) {
  hwsim_error error = device_lock_any(device, "timer");
  if (error)
    return error;
  *period_ns_out = device->timer_ns;
  device_unlock(device);
  return HWSIM_OK;
}

/* ------------------------------------------------------------------- what follows from the time */

static bool push_all_ticks(hwsim_device *device, int64_t until_ns) {
  bool any = false;
  for (hwsim_subscription *self = device->subscriptions; self; self = self->next)
    any |= push_ticks(self, until_ns);
  return any;
}

bool events_produce(hwsim_device *device, int64_t until_ns) {
  bool any = false;
  for (crossing found; threshold_cross(device, until_ns, &found); any = true) {
    push_all_ticks(device, found.at_ns);
    events_emit(device, HWSIM_EVENT_THRESHOLD, found.at_ns, found.channel, found.volts);
  }
  any |= push_all_ticks(device, until_ns);
  if (any)
    bus_ask_armed(device, until_ns);
  return any;
}

int64_t subscription_next_ns(const hwsim_subscription *self, int64_t now_ns) {
  if (self->device->closed || !atomic_load(&self->open))
    return FOREVER;
  int64_t tick_ns = next_tick_ns(self);
  int64_t crossing_ns =
      wants(self, HWSIM_EVENT_THRESHOLD) ? threshold_next_ns(self->device, now_ns) : FOREVER;
  return tick_ns < crossing_ns ? tick_ns : crossing_ns;
}

/* Those with a handler, and those whose comparators should not fall behind. */
static bool needs_timer(const hwsim_subscription *self) {
  return self->config.handler.handle || wants(self, HWSIM_EVENT_THRESHOLD);
}

void events_reschedule(hwsim_device *device, int64_t now_ns) {
  for (hwsim_subscription *self = device->subscriptions; self; self = self->next)
    if (needs_timer(self))
      timer_schedule(self, clock_to_monotonic(device, subscription_next_ns(self, now_ns)));
  bus_ask_armed(device, now_ns);
}

void events_disconnected(hwsim_device *device, int64_t at_ns) {
  stop_timer(device, at_ns);
  events_emit(device, HWSIM_EVENT_DISCONNECT, at_ns, 0, 0);
}

void events_reconnected(hwsim_device *device, int64_t at_ns) {
  start_timer(device, device->timer_ns, at_ns);
  threshold_power_on(device, at_ns);
  events_emit(device, HWSIM_EVENT_RECONNECT, at_ns, 0, 0);
  events_reschedule(device, at_ns);
}

/* ----------------------------------------------------------------------------- subscriptions -- */

static hwsim_error check_config(const hwsim_device *device,
                                const hwsim_subscription_config *config) {
  const char *name = device->config.name, *operation = "subscribe";
  uint32_t all = HWSIM_EVENT_BIT(ARRAY_LENGTH(names)) - 1;
  if (!config->kinds || (config->kinds & ~all))
    return error_set(HWSIM_EINVALID, name, operation,
                     "kinds must be bits of 0x%X, at least one, got 0x%X", all, config->kinds);
  if (!config->queue || config->queue > LARGEST_QUEUE)
    return error_set(HWSIM_EINVALID, name, operation, "queue must be from 1 to %d events, got %u",
                     LARGEST_QUEUE, config->queue);
  if (config->overflow != HWSIM_OVERFLOW_DROP && config->overflow != HWSIM_OVERFLOW_WAIT)
    return error_set(HWSIM_EINVALID, name, operation, "there is no overflow policy %d",
                     (int)config->overflow);
  return HWSIM_OK;
}

static hwsim_subscription *allocate(const hwsim_subscription_config *config) {
  hwsim_subscription *self = calloc(1, sizeof *self);
  if (!self)
    return NULL;
  self->config = *config;
  if (!config->handler.handle)
    self->config.handler = (hwsim_handler){0};
  self->room = config->queue;
  if (config->overflow == HWSIM_OVERFLOW_WAIT)
    self->room += HWSIM_EVENTS_AT_ONCE;
  self->ring = malloc(self->room * sizeof *self->ring);
  if (!self->ring) {
    free(self);
    return NULL;
  }
  atomic_init(&self->references, 1);
  atomic_init(&self->open, true);
  return self;
}

static void destroy(hwsim_subscription *self) {
  free(self->ring);
  free(self);
}

static void join(hwsim_device *device, hwsim_subscription *self, int64_t now_ns) {
  if (wants(self, HWSIM_EVENT_THRESHOLD) && !events_wanted(device, HWSIM_EVENT_THRESHOLD))
    threshold_start(device, now_ns);
  self->device = hwsim_device_retain(device);
  device_hold(device); /* the timer thread may need it when the owner has let go */
  self->ticks = ticks_by(device, now_ns);
  hwsim_subscription **link = &device->subscriptions;
  while (*link)
    link = &(*link)->next;
  *link = self;
  if (needs_timer(self))
    timer_schedule(self, clock_to_monotonic(device, subscription_next_ns(self, now_ns)));
}

hwsim_error hwsim_subscription_new(hwsim_device *device, const hwsim_subscription_config *config,
                                   hwsim_subscription **subscription_out) {
  hwsim_error error = check_config(device, config);
  if (error)
    return error;
  hwsim_subscription *self = allocate(config);
  if (!self)
    return error_no_memory(device->config.name, "subscribe");
  error = device_lock(device, "subscribe");
  if (!error && needs_timer(self) && !timer_expect()) {
    device_unlock(device);
    error = error_no_memory(device->config.name, "subscribe");
  }
  if (error) {
    destroy(self);
    return error;
  }
  int64_t now_ns = clock_now(device);
  bus_settle(device, now_ns);
  join(device, self, now_ns);
  device_unlock(device);
  *subscription_out = self;
  return HWSIM_OK;
}

void hwsim_subscription_close(hwsim_subscription *self) {
  hwsim_device *device = self->device;
  if (device_lock_any(device, "close"))
    return; /* in a forked child: it is the parent's */
  bool was_open = atomic_exchange(&self->open, false);
  if (was_open) {
    hwsim_subscription **link = &device->subscriptions;
    while (*link != self)
      link = &(*link)->next;
    *link = self->next;
    self->sequence -= self->count; /* dropped on request, not lost */
    self->count = 0;
    int64_t now_ns = clock_now(device);
    bus_resume(device, now_ns);
    bus_ask_armed(device, now_ns);
    bus_settle(device, now_ns);
  }
  device_unlock(device);
  bool unused = was_open && needs_timer(self) && timer_forget(self);
  if (unused && self->config.handler.release)
    self->config.handler.release(self->config.handler.user);
}

void hwsim_subscription_free(hwsim_subscription *self) {
  if (!self)
    return;
  hwsim_subscription_close(self);
  hwsim_device_free(self->device);
  subscription_release(self);
}

void subscription_release(hwsim_subscription *self) {
  if (atomic_fetch_sub(&self->references, 1) > 1 || device_is_forked(self->device))
    return;
  device_drop(self->device);
  destroy(self);
}

bool hwsim_subscription_is_open(const hwsim_subscription *self) {
  return atomic_load(&self->open) && !device_is_forked(self->device);
}

hwsim_error hwsim_subscription_get_status(hwsim_subscription *self,
                                          hwsim_subscription_status *status_out) {
  hwsim_device *device = self->device;
  hwsim_error error = device_lock_any(device, "status");
  if (error)
    return error;
  bus_settle(device, clock_now(device));
  *status_out = (hwsim_subscription_status){.queued = self->count,
                                            .delivered = self->delivered,
                                            .lost = self->sequence - self->delivered - self->count,
                                            .open = atomic_load(&self->open) && !device->closed};
  device_unlock(device);
  return HWSIM_OK;
}

/* ---------------------------------------------------------------------------------- reading -- */

size_t subscription_take(hwsim_subscription *self, hwsim_event *events_out, size_t capacity,
                         int64_t now_ns) {
  bool held_back = holds_back(self);
  size_t count = pop(self, events_out, capacity);
  if (held_back && count)
    bus_resume(self->device, now_ns);
  return count;
}

typedef struct next_op {
  op base;
  hwsim_subscription *subscription;
  hwsim_event *events_out;
  size_t capacity, count;
} next_op;

static hwsim_error apply_next(hwsim_device *device, op *base, int64_t at_ns) {
  next_op *self = (next_op *)base;
  hwsim_subscription *subscription = self->subscription;
  (void)device;
  self->count = subscription_take(subscription, self->events_out, self->capacity, at_ns);
  if (self->count)
    return HWSIM_OK;
  if (!atomic_load(&subscription->open))
    return HWSIM_ECLOSED;
  base->wake_ns = subscription_next_ns(subscription, at_ns);
  return OP_ARMED;
}

/* What is left after the device was closed; or the reason why there is nothing. */
static hwsim_error take_rest(next_op *self, hwsim_error error) {
  hwsim_subscription *subscription = self->subscription;
  hwsim_device *device = subscription->device;
  if (device_lock_any(device, "next"))
    return error;
  int64_t now_ns = clock_now(device);
  self->count = subscription_take(subscription, self->events_out, self->capacity, now_ns);
  bus_settle(device, now_ns); /* what was held back has room now */
  device_unlock(device);
  if (self->count)
    return HWSIM_OK;
  if (atomic_load(&subscription->open))
    return error;
  return error_set(error, device->config.name, "next", "the subscription is closed");
}

hwsim_error hwsim_subscription_next(hwsim_subscription *subscription, size_t capacity,
                                    const hwsim_call *call, hwsim_event *events_out,
                                    size_t *count_out) {
  hwsim_device *device = subscription->device;
  if (!capacity)
    return error_set(HWSIM_EINVALID, device->config.name, "next", "count must be at least 1");
  if (subscription->config.handler.handle && !device_is_forked(device))
    return error_set(HWSIM_ESTATE, device->config.name, "next",
                     "the events of this subscription go to its handler");
  next_op self = {.base = {.name = "next",
                           .apply = apply_next,
                           .observer = true,
                           .timed = true,
                           .open_ended = true},
                  .subscription = subscription,
                  .events_out = events_out,
                  .capacity = capacity};
  hwsim_error error = bus_run_armed(device, &self.base, call);
  if (error == HWSIM_ECLOSED)
    error = take_rest(&self, error);
  if (error == HWSIM_ETIMEOUT)
    error_set(error, device->config.name, "next", "no event within the timeout of %g s",
              (double)self.base.timeout_ns / 1e9);
  if (!error)
    *count_out = self.count;
  return error;
}

/* ---------------------------------------------------------------------------------- trigger -- */

typedef struct trigger_op {
  op base;
  double value;
} trigger_op;

static hwsim_error apply_trigger(hwsim_device *device, op *base, int64_t at_ns) {
  events_emit(device, HWSIM_EVENT_TRIGGER, at_ns, 0, ((trigger_op *)base)->value);
  return HWSIM_OK;
}

hwsim_error hwsim_event_trigger(hwsim_device *device, double value, const hwsim_call *call) {
  trigger_op self = {.base = {.name = "trigger",
                              .apply = apply_trigger,
                              .bytes = 4,
                              .causes = HWSIM_EVENT_BIT(HWSIM_EVENT_TRIGGER)},
                     .value = value};
  return bus_run(device, &self.base, call);
}
