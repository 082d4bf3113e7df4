/* A handler that writes down what it is told, and checks what must always hold: events in order,
 * one call at a time, nothing after release(). */
#ifndef WITNESS_H
#define WITNESS_H

#include "events.h"

typedef struct witness {
  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t changed;
  hwsim_event events[4096];
  size_t count; /* of the events; the newest of them are in `events` */
  int calls;
  bool inside, held; /* held: the handler waits until it is let go */
  int released;
  pthread_t handled_on, released_on;

  /* Constant. */
  hwsim_device *device;
  hwsim_subscription *subscription;
  void (*act)(struct witness *self, hwsim_subscription *subscription); /* or NULL; in each call */
} witness;

static inline void witness_handle(void *user, hwsim_subscription *subscription,
                                  const hwsim_event *events, size_t count) {
  witness *self = (witness *)user;
  pthread_mutex_lock(&self->mutex);
  CHECK(!self->inside && !self->released);
  CHECK(count >= 1);
  self->inside = true;
  for (size_t i = 0; i < count; i++, self->count++) {
    const hwsim_event *last = &self->events[(self->count - 1) % LENGTH(self->events)];
    uint64_t expected = events[i].lost + (self->count ? last->sequence + 1 : 0);
    CHECK_EQUAL(events[i].sequence, expected);
    CHECK(!self->count || events[i].time_ns >= last->time_ns);
    self->events[self->count % LENGTH(self->events)] = events[i];
  }
  self->calls++;
  self->handled_on = pthread_self();
  pthread_cond_broadcast(&self->changed);
  while (self->held)
    pthread_cond_wait(&self->changed, &self->mutex);
  pthread_mutex_unlock(&self->mutex);
  if (self->act)
    self->act(self, subscription);
  pthread_mutex_lock(&self->mutex);
  self->inside = false;
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->mutex);
}

static inline void witness_release(void *user) {
  witness *self = (witness *)user;
  pthread_mutex_lock(&self->mutex);
  CHECK(!self->inside && !self->released);
  self->released++;
  self->released_on = pthread_self();
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->mutex);
}

static inline hwsim_subscription_config witness_config(witness *self, uint32_t kinds,
                                                       uint32_t queue, hwsim_overflow overflow) {
  hwsim_subscription_config config = {
      kinds, queue, overflow, {witness_handle, witness_release, self}};
  return config;
}

static inline witness *witness_make(hwsim_device *device) {
  witness *self = (witness *)calloc(1, sizeof *self);
  pthread_mutex_init(&self->mutex, NULL);
  pthread_cond_init(&self->changed, NULL);
  self->device = device;
  return self;
}

static inline void witness_subscribe(witness *self, uint32_t kinds, uint32_t queue,
                                     hwsim_overflow overflow) {
  hwsim_subscription *subscription =
      subscribe_with(self->device, witness_config(self, kinds, queue, overflow));
  pthread_mutex_lock(&self->mutex);
  self->subscription = subscription;
  pthread_mutex_unlock(&self->mutex);
}

/* One that drops, with a queue that is long enough. */
static inline witness *witness_start(hwsim_device *device, uint32_t kinds,
                                     void (*act)(witness *, hwsim_subscription *)) {
  witness *self = witness_make(device);
  self->act = act;
  witness_subscribe(self, kinds, 4096, HWSIM_OVERFLOW_DROP);
  return self;
}

/* Waits until the handler has seen so many events. */
static inline void witness_await(witness *self, size_t count) {
  pthread_mutex_lock(&self->mutex);
  while (self->count < count)
    pthread_cond_wait(&self->changed, &self->mutex);
  pthread_mutex_unlock(&self->mutex);
}

/* Waits until it has, and is not in a call either. */
static inline void witness_await_idle(witness *self, size_t count) {
  pthread_mutex_lock(&self->mutex);
  while (self->count < count || self->inside)
    pthread_cond_wait(&self->changed, &self->mutex);
  pthread_mutex_unlock(&self->mutex);
}

static inline void witness_await_release(witness *self) {
  pthread_mutex_lock(&self->mutex);
  while (!self->released)
    pthread_cond_wait(&self->changed, &self->mutex);
  pthread_mutex_unlock(&self->mutex);
}

static inline void witness_hold(witness *self) {
  pthread_mutex_lock(&self->mutex);
  self->held = true;
  pthread_mutex_unlock(&self->mutex);
}

static inline void witness_let_go(witness *self) {
  pthread_mutex_lock(&self->mutex);
  self->held = false;
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->mutex);
}

static inline size_t witness_count(witness *self) {
  pthread_mutex_lock(&self->mutex);
  size_t count = self->count;
  pthread_mutex_unlock(&self->mutex);
  return count;
}

static inline int witness_calls(witness *self) {
  pthread_mutex_lock(&self->mutex);
  int calls = self->calls;
  pthread_mutex_unlock(&self->mutex);
  return calls;
}

static inline int witness_released(witness *self) {
  pthread_mutex_lock(&self->mutex);
  int released = self->released;
  pthread_mutex_unlock(&self->mutex);
  return released;
}

/* For one that is not called any more: once the timer thread has ended, it cannot be. */
static inline void witness_destroy(witness *self) {
  CHECK_EQUAL(self->released, 1);
  pthread_mutex_destroy(&self->mutex);
  pthread_cond_destroy(&self->changed);
  free(self);
}

static inline void stop_events(void) { CHECK_OK(hwsim_events_stop(HWSIM_TIMEOUT_NEVER)); }

/* The usual end: release() has been called once, and nothing more is. */
static inline void witness_end(witness *self) {
  hwsim_subscription_free(self->subscription);
  witness_await_release(self);
  stop_events();
  witness_destroy(self);
}

static inline void witness_finish(witness *self, hwsim_device *device) {
  witness_end(self);
  hwsim_device_free(device);
}

static inline void check_triggers(const witness *self, size_t from, size_t count) {
  for (size_t i = from; i < from + count; i++)
    CHECK_EVENT(self->events[i], TRIGGER, 0, i, 0, 0, (double)i);
}

#endif
