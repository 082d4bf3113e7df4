/* Subscribers: queues of events. Most events are effects of operations, of which a queue is told at
 * once; ticks and crossed thresholds follow from the time alone, and come when the timeline fires
 * their sources. */
#include "events/subscription.h"

#include "base/error.h"
#include "base/handle.h"
#include "events/delivery.h"
#include "events/ticks.h"
#include "timeline/bus.h"
#include "timeline/call.h"
#include "timeline/request.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 256 };

struct subscribers {
  list open; /* subscriptions */
  producer *producer;
  const source *background[2]; /* or NULL */
};

struct hwsim_subscription {
  /* Constant. */
  hwsim_device *device;
  hwsim_subscription_config config;
  size_t room; /* of the ring */
  atomic_int references;
  atomic_bool open;

  /* Guarded by the device's mutex. */
  list_link on_device;
  observer observer;
  tick_follower follower;
  topic readers;
  hwsim_event *ring;
  size_t head, count;
  uint64_t sequence; /* of the next event */
  uint64_t expected; /* by whoever reads: that of the next event unless some were lost */
  uint64_t delivered;

  delivery delivery; /* guarded by its thread's mutex */
};

static hwsim_subscription *from_list(list_link *element) {
  return ELEMENT(element, hwsim_subscription, on_device);
}
static hwsim_subscription *first_of(const hwsim_device *device) {
  return from_list(list_first(&device->subscribers->open));
}
static hwsim_subscription *after(const hwsim_subscription *self) {
  return from_list(list_next(&self->device->subscribers->open, &self->on_device));
}

/* --------------------------------------------------------------------------------- the queue -- */

static bool wants(const hwsim_subscription *self, hwsim_event_kind kind) {
  return self->config.kinds & HWSIM_EVENT_BIT(kind);
}

static bool is_full(const hwsim_subscription *self) { return self->count >= self->config.queue; }

/* It holds back what can wait. */
static bool holds_back(const hwsim_subscription *self) {
  return self->config.overflow == HWSIM_OVERFLOW_WAIT && is_full(self);
}

static void push(hwsim_subscription *self, hwsim_event event, const op *cause) {
  event.sequence = self->sequence++;
  if (cause && cause->fate.mute)
    return;
  if (self->config.overflow == HWSIM_OVERFLOW_DROP) {
    if (is_full(self)) {
      self->head = (self->head + 1) % self->room;
      self->count--;
    }
  } else if (self->count >= (cause ? self->room : self->config.queue)) {
    return; /* an effect found room when it began; what is none cannot wait */
  }
  self->ring[(self->head + self->count++) % self->room] = event;
  if (self->config.handler.handle && self->count == 1) /* otherwise it is scheduled already */
    delivery_schedule(&self->delivery, monotonic_ns());
  topic_touch(self->device, &self->readers);
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

/* Then the timeline is to be settled: what was held back has room. */
static size_t take(hwsim_subscription *self, hwsim_event *events_out, size_t capacity,
                   int64_t now_ns) {
  bool held_back = holds_back(self);
  size_t count = pop(self, events_out, capacity);
  if (held_back && count) {
    bus_resume(self->device, now_ns);
    ticks_reschedule(self->device);
  }
  return count;
}

/* --------------------------------------------------------------------------- what it is told -- */

static void happened(hwsim_device *device, observer *observer, const occurrence *what) {
  (void)device;
  hwsim_subscription *self = ELEMENT(observer, hwsim_subscription, observer);
  if (wants(self, what->kind) && what->lost)
    self->sequence++;
  else if (wants(self, what->kind))
    push(self,
         (hwsim_event){.kind = what->kind,
                       .time_ns = what->at_ns,
                       .channel = what->channel,
                       .value = what->value},
         what->cause);
}

static hwsim_subscription *from_follower(const tick_follower *self) {
  return ELEMENT(self, hwsim_subscription, follower);
}

static bool ticks_wait(const tick_follower *follower) {
  return holds_back(from_follower(follower));
}

static void take_ticks(hwsim_device *device, tick_follower *follower, uint64_t by_now) {
  hwsim_subscription *self = from_follower(follower);
  uint64_t due = by_now - follower->seen;
  if (self->config.overflow == HWSIM_OVERFLOW_DROP && due > self->config.queue) {
    uint64_t skipped = due - self->config.queue;
    follower->seen += skipped;
    self->sequence += skipped;
    self->count = 0;
  }
  while (follower->seen < by_now && !holds_back(self)) {
    follower->seen++;
    push(self,
         (hwsim_event){.kind = HWSIM_EVENT_TIMER,
                       .time_ns = ticks_time(device, follower->seen),
                       .value = (double)follower->seen},
         NULL);
  }
}

static void ticks_missed(tick_follower *follower, uint64_t count) {
  from_follower(follower)->sequence += count;
}

/* When something may come by itself. */
static int64_t next_ns(const hwsim_subscription *self) {
  if (timeline_is_closed(self->device) || !atomic_load(&self->open))
    return FOREVER;
  const producer *made = self->device->subscribers->producer;
  int64_t tick_ns =
      wants(self, HWSIM_EVENT_TIMER) ? ticks_next_ns(self->device, &self->follower) : FOREVER;
  const source *const *background = self->device->subscribers->background;
  if (wants(self, HWSIM_EVENT_REGISTER) || wants(self, HWSIM_EVENT_TRIGGER))
    for (size_t i = 0; i < 2 && background[i]; i++)
      tick_ns = earlier(tick_ns, source_next_ns(background[i]));
  return made && wants(self, made->kind) ? earlier(tick_ns, source_next_ns(&made->source))
                                         : tick_ns;
}

/* Those with a handler, and those whose comparators should not fall behind. */
static bool needs_delivery(const hwsim_subscription *self) {
  return self->config.handler.handle || wants(self, HWSIM_EVENT_THRESHOLD);
}

static void reschedule(hwsim_subscription *self) {
  if (needs_delivery(self))
    delivery_schedule(&self->delivery, timeline_to_monotonic(self->device, next_ns(self)));
  topic_touch(self->device, &self->readers);
}

static void ticks_rescheduled(hwsim_device *device, tick_follower *follower) {
  (void)device;
  reschedule(from_follower(follower));
}

/* --------------------------------------------------------------------- all that a device has -- */

size_t subscribers_size(void) { return sizeof(subscribers); }

void subscribers_open(hwsim_device *device) { list_init(&device->subscribers->open); }

void subscribers_set_producer(hwsim_device *device, producer *self) {
  device->subscribers->producer = self;
}

void subscribers_add_background(hwsim_device *device, const source *self) {
  const source **background = device->subscribers->background;
  background[background[0] ? 1 : 0] = self;
}

void subscribers_reschedule(hwsim_device *device) {
  for (hwsim_subscription *self = first_of(device); self; self = after(self))
    reschedule(self);
}

bool subscribers_want(const hwsim_device *device, hwsim_event_kind kind) {
  const hwsim_subscription *self = first_of(device);
  while (self && !wants(self, kind))
    self = after(self);
  return self;
}

bool subscribers_hold_back(const hwsim_device *device, uint32_t kinds) {
  for (const hwsim_subscription *self = first_of(device); self; self = after(self))
    if (holds_back(self) && (self->config.kinds & kinds))
      return true;
  return false;
}

/* ------------------------------------------------------------------------ on the delivery thread
 * -- */

static hwsim_subscription *from_delivery(delivery *self) {
  return ELEMENT(self, hwsim_subscription, delivery);
}

static void destroy(hwsim_subscription *self) {
  free(self->ring);
  free(self);
}

static void release(hwsim_subscription *self) {
  if (atomic_fetch_sub(&self->references, 1) > 1 || handle_is_forked(self->device))
    return;
  handle_drop(self->device);
  destroy(self);
}

static void hold(delivery *self) { atomic_fetch_add(&from_delivery(self)->references, 1); }
static void let_go(delivery *self) { release(from_delivery(self)); }

static void end(delivery *delivery) {
  const hwsim_handler *handler = &from_delivery(delivery)->config.handler;
  if (handler->release)
    handler->release(handler->user);
}

/* Gives what is there to the handler. */
static int64_t serve(delivery *delivery) {
  hwsim_subscription *self = from_delivery(delivery);
  hwsim_device *device = self->device;
  hwsim_event events[BATCH];
  pthread_mutex_lock(timeline_mutex(device));
  int64_t now_ns = timeline_update(device);
  size_t capacity = self->config.handler.handle ? BATCH : 0;
  size_t count = take(self, events, capacity, now_ns);
  timeline_settle(device, now_ns);
  bool more = capacity && self->count;
  int64_t due_ns = more ? monotonic_ns() : timeline_to_monotonic(device, next_ns(self));
  timeline_unlock(device);
  if (count && hwsim_subscription_is_open(self))
    self->config.handler.handle(self->config.handler.user, self, events, count);
  return due_ns;
}

static const delivery_kind to_handler = {
    .hold = hold, .serve = serve, .end = end, .let_go = let_go};

/* -------------------------------------------------------------------------- opening, closing -- */

static hwsim_error check_config(const hwsim_device *device,
                                const hwsim_subscription_config *config) {
  const char *name = device->config.name, *operation = OPERATION(device, subscribe)->name;
  uint32_t all = 0;
#define HWSIM_X(kind, value, text) all |= HWSIM_EVENT_BIT(value);
  HWSIM_EVENTS(HWSIM_X)
#undef HWSIM_X
  if (!config->kinds || (config->kinds & ~all))
    return error_set(HWSIM_EINVALID, name, operation,
                     "kinds must be bits of 0x%X, at least one, got 0x%X", all, config->kinds);
  if (!config->queue || config->queue > HWSIM_EVENTS_LARGEST_QUEUE)
    return error_set(HWSIM_EINVALID, name, operation, "queue must be from 1 to %d events, got %u",
                     HWSIM_EVENTS_LARGEST_QUEUE, config->queue);
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
  self->observer.happened = happened;
  self->follower = (tick_follower){.holds_back = ticks_wait,
                                   .take = take_ticks,
                                   .missed = ticks_missed,
                                   .rescheduled = ticks_rescheduled};
  self->delivery.kind = &to_handler;
  topic_init(&self->readers, true);
  atomic_init(&self->references, 1);
  atomic_init(&self->open, true);
  return self;
}

static void join(hwsim_device *device, hwsim_subscription *self) {
  subscribers *all = device->subscribers;
  bool first = all->producer && wants(self, all->producer->kind) &&
               !subscribers_want(device, all->producer->kind);
  self->device = handle_retain(device);
  handle_hold(device); /* the delivery thread may need it when the owner has let go */
  list_append(&all->open, &self->on_device);
  observers_add(device, &self->observer);
  if (wants(self, HWSIM_EVENT_TIMER))
    ticks_follow(device, &self->follower);
  bus_add_detour(device, 1);
  if (first)
    all->producer->watched(device, all->producer);
  reschedule(self);
}

static void leave(hwsim_device *device, hwsim_subscription *self) {
  producer *made = device->subscribers->producer;
  list_remove(&self->on_device);
  observers_remove(&self->observer);
  if (wants(self, HWSIM_EVENT_TIMER))
    ticks_unfollow(device, &self->follower);
  bus_add_detour(device, -1);
  if (made && wants(self, made->kind) && !subscribers_want(device, made->kind))
    made->unwatched(device, made);
}

hwsim_error hwsim_subscription_new(hwsim_device *device, const hwsim_subscription_config *config,
                                   hwsim_subscription **subscription_out) {
  const hwsim_operation *operation = OPERATION(device, subscribe);
  hwsim_error error = check_config(device, config);
  if (error)
    return error;
  hwsim_subscription *self = allocate(config);
  if (!self)
    return error_no_memory(device->config.name, operation->name);
  error = timeline_lock(device, operation);
  if (!error && needs_delivery(self) && !delivery_expect()) {
    timeline_unlock(device);
    error = error_no_memory(device->config.name, operation->name);
  }
  if (error) {
    destroy(self);
    return error;
  }
  timeline_update(device);
  join(device, self);
  timeline_unlock(device);
  *subscription_out = self;
  return HWSIM_OK;
}

void hwsim_subscription_close(hwsim_subscription *self) {
  hwsim_device *device = self->device;
  if (timeline_lock_any(device, OPERATION(subscription, close)))
    return; /* in a forked child: it is the parent's */
  bool was_open = atomic_exchange(&self->open, false);
  if (was_open) {
    leave(device, self);
    self->sequence -= self->count; /* dropped on request, not lost */
    self->count = 0;
    bus_resume(device, timeline_now(device));
    topic_touch(device, &self->readers);
    timeline_update(device);
  }
  timeline_unlock(device);
  if (was_open && needs_delivery(self) && delivery_forget(&self->delivery))
    end(&self->delivery);
}

void hwsim_subscription_free(hwsim_subscription *self) {
  if (!self)
    return;
  hwsim_subscription_close(self);
  handle_release(self->device);
  release(self);
}

bool hwsim_subscription_is_open(const hwsim_subscription *self) {
  return atomic_load(&self->open) && !handle_is_forked(self->device);
}

hwsim_error hwsim_subscription_get_status(hwsim_subscription *self,
                                          hwsim_subscription_status *status_out) {
  hwsim_device *device = self->device;
  hwsim_error error = timeline_lock_any(device, OPERATION(subscription, status));
  if (error)
    return error;
  timeline_update(device);
  *status_out =
      (hwsim_subscription_status){.queued = self->count,
                                  .delivered = self->delivered,
                                  .lost = self->sequence - self->delivered - self->count,
                                  .open = atomic_load(&self->open) && !timeline_is_closed(device)};
  timeline_unlock(device);
  return HWSIM_OK;
}

/* ----------------------------------------------------------------------------------- reading -- */

typedef struct next_op {
  op base;
  hwsim_subscription *subscription;
  hwsim_event *events_out;
  size_t capacity, count;
} next_op;

static hwsim_error apply_next(hwsim_device *device, op *base, int64_t at_ns) {
  (void)device;
  next_op *self = (next_op *)base;
  hwsim_subscription *subscription = self->subscription;
  self->count = take(subscription, self->events_out, self->capacity, at_ns);
  if (self->count)
    return HWSIM_OK;
  if (!atomic_load(&subscription->open))
    return HWSIM_ECLOSED;
  base->wake_ns = next_ns(subscription);
  return OP_ARMED;
}

/* What is left after the device was closed; or the reason why there is nothing. */
static hwsim_error take_rest(next_op *self, hwsim_error error) {
  hwsim_subscription *subscription = self->subscription;
  hwsim_device *device = subscription->device;
  const hwsim_operation *operation = OPERATION(subscription, next);
  if (timeline_lock_any(device, operation))
    return error;
  int64_t now_ns = timeline_now(device);
  self->count = take(subscription, self->events_out, self->capacity, now_ns);
  timeline_settle(device, now_ns); /* what was held back has room now */
  timeline_unlock(device);
  if (self->count)
    return HWSIM_OK;
  if (atomic_load(&subscription->open))
    return error;
  return error_set(error, device->config.name, operation->name, "the subscription is closed");
}

hwsim_error hwsim_subscription_next(hwsim_subscription *subscription, size_t capacity,
                                    const hwsim_call *call, hwsim_event *events_out,
                                    size_t *count_out) {
  static const op_kind kind = {.row = OPERATION(subscription, next),
                               .apply = apply_next,
                               .off_bus = true,
                               .observer = true,
                               .timed = true,
                               .open_ended = true};
  hwsim_device *device = subscription->device;
  const char *device_name = device->config.name, *operation = kind.row->name;
  if (!capacity)
    return error_set(HWSIM_EINVALID, device_name, operation, "count must be at least 1");
  if (subscription->config.handler.handle && !handle_is_forked(device))
    return error_set(HWSIM_ESTATE, device_name, operation,
                     "the events of this subscription go to its handler");
  next_op self;
  void *events = events_out;
  size_t most = capacity < subscription->room ? capacity : subscription->room;
  hwsim_error error = request_memory(call, device, kind.row, most * sizeof *events_out, &events);
  if (error)
    return error;
  op_prepare(&self.base, &kind);
  self.base.topic = &subscription->readers;
  self.subscription = subscription;
  self.events_out = events;
  self.capacity = most;
  self.count = 0;
  error = call_run(device, &self.base, sizeof self, call);
  if (error == HWSIM_ECLOSED)
    error = take_rest(&self, error);
  if (error == HWSIM_ETIMEOUT)
    error_set(error, device_name, operation, "no event within the timeout of %g s",
              (double)self.base.timeout_ns / 1e9);
  if (error)
    return error;
  if (events != events_out)
    memcpy(events_out, events, self.count * sizeof *events_out);
  *count_out = self.count;
  return HWSIM_OK;
}
