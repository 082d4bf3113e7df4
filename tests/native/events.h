/* What the tests of events have in common: subscriptions that must succeed, and events compared
 * with the ones that are expected. */
#ifndef EVENTS_H
#define EVENTS_H

#include "threads.h"

#define KIND(name) HWSIM_EVENT_BIT(HWSIM_EVENT_##name)
#define ALL_KINDS (2 * KIND(THRESHOLD) - 1)

#define MANUAL "hwsim://d?clock=manual&latency=0s&timeout=inf"
#define SCRATCH0 HWSIM_REGISTER_SCRATCH0

static const hwsim_call at_once = {0, NULL, NULL};

/* A small generator of its own, so that a test is the same on every machine. */
static inline uint64_t draw(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *state >> 33;
}

static inline hwsim_subscription *subscribe_with(hwsim_device *device,
                                                 hwsim_subscription_config config) {
  hwsim_subscription *subscription = NULL;
  CHECK_OK(hwsim_subscription_new(device, &config, &subscription));
  return subscription;
}

static inline hwsim_subscription *subscribe(hwsim_device *device, uint32_t kinds, uint32_t queue) {
  hwsim_subscription_config config = {kinds, queue, HWSIM_OVERFLOW_DROP, {0}};
  return subscribe_with(device, config);
}

/* When its queue is full, what causes more events waits for room. */
static inline hwsim_subscription *subscribe_waiting(hwsim_device *device, uint32_t kinds,
                                                    uint32_t queue) {
  hwsim_subscription_config config = {kinds, queue, HWSIM_OVERFLOW_WAIT, {0}};
  return subscribe_with(device, config);
}

static inline void end(hwsim_subscription *subscription, hwsim_device *device) {
  hwsim_subscription_free(subscription);
  hwsim_device_free(device);
}

/* Takes the events that are there now, up to `capacity`; returns how many. */
static inline size_t take(hwsim_subscription *subscription, hwsim_event *events_out,
                          size_t capacity) {
  size_t count = 0;
  hwsim_error error = hwsim_subscription_next(subscription, capacity, &at_once, events_out, &count);
  if (error == HWSIM_ETIMEOUT)
    return 0;
  CHECK_OK(error);
  CHECK(count >= 1 && count <= capacity);
  return count;
}

/* Takes an event that is already there. */
static inline hwsim_event take_one(hwsim_subscription *subscription) {
  hwsim_event event;
  size_t count = 0;
  CHECK_OK(hwsim_subscription_next(subscription, 1, &at_once, &event, &count));
  CHECK_EQUAL(count, 1);
  return event;
}

/* Waits for an event that comes by itself or from another thread. */
static inline hwsim_event await_one(hwsim_subscription *subscription) {
  hwsim_event event;
  size_t count = 0;
  CHECK_OK(hwsim_subscription_next(subscription, 1, &forever, &event, &count));
  CHECK_EQUAL(count, 1);
  return event;
}

static inline void check_event_at(const char *file, int line, hwsim_event event,
                                  hwsim_event_kind kind, int64_t time_ns, uint64_t sequence,
                                  uint64_t lost, uint32_t channel, double value) {
  char remark[256];
  if (event.kind == kind && event.time_ns == time_ns && event.sequence == sequence &&
      event.lost == lost && event.channel == channel && event.value == value)
    return;
  snprintf(remark, sizeof remark,
           "is %s at %lld ns, sequence %llu, lost %llu, channel %u, value %.17g; "
           "expected %s, %lld, %llu, %llu, %u, %.17g",
           hwsim_event_name(event.kind), (long long)event.time_ns,
           (unsigned long long)event.sequence, (unsigned long long)event.lost, event.channel,
           event.value, hwsim_event_name(kind), (long long)time_ns, (unsigned long long)sequence,
           (unsigned long long)lost, channel, value);
  check_failed(file, line, "event", remark);
}
#define CHECK_EVENT(event, kind, time_ns, sequence, lost, channel, value)                          \
  check_event_at(__FILE__, __LINE__, (event), HWSIM_EVENT_##kind, (time_ns), (sequence), (lost),   \
                 (channel), (value))

static inline void check_status_at(const char *file, int line, hwsim_subscription *subscription,
                                   uint64_t queued, uint64_t delivered, uint64_t lost) {
  hwsim_subscription_status status;
  check_code(file, line, "status", hwsim_subscription_get_status(subscription, &status), HWSIM_OK);
  check_equal(file, line, "status.queued", (long long)status.queued, (long long)queued);
  check_equal(file, line, "status.delivered", (long long)status.delivered, (long long)delivered);
  check_equal(file, line, "status.lost", (long long)status.lost, (long long)lost);
}
#define CHECK_STATUS(subscription, queued, delivered, lost)                                        \
  check_status_at(__FILE__, __LINE__, (subscription), (queued), (delivered), (lost))

/* The queue is empty. */
#define CHECK_NO_MORE(subscription)                                                                \
  do {                                                                                             \
    hwsim_event check_event_;                                                                      \
    CHECK_EQUAL(take((subscription), &check_event_, 1), 0);                                        \
  } while (0)

static inline void trigger(hwsim_device *device, double value) {
  CHECK_OK(hwsim_event_trigger(device, value, &forever));
}

static inline hwsim_error run_trigger(operation *self) {
  return hwsim_event_trigger(self->device, self->volts, self->call);
}

static inline void inject_at(hwsim_device *device, hwsim_fault_kind kind, uint64_t at) {
  hwsim_fault fault;
  CHECK_OK(hwsim_fault_init(kind, &fault));
  fault.at = at;
  CHECK_OK(hwsim_fault_inject(device, &fault));
}

static inline void disconnect(hwsim_device *device) {
  inject_at(device, HWSIM_FAULT_DISCONNECT, 0);
}

static inline void reconnect(hwsim_device *device) { inject_at(device, HWSIM_FAULT_RECONNECT, 0); }

static inline uint32_t read_value(hwsim_device *device, uint32_t address) {
  uint64_t value;
  CHECK_OK(hwsim_register_read(device, address, &forever, &value));
  return value;
}

static inline void write_value(hwsim_device *device, uint32_t address, uint64_t value) {
  CHECK_OK(hwsim_register_write(device, address, value, &forever));
}

static inline hwsim_signal dc(double volts) {
  hwsim_signal signal = {.waveform = HWSIM_WAVEFORM_DC, .offset_v = volts, .range_v = 10};
  return signal;
}

static inline void connect_dc(hwsim_device *device, uint32_t channel, double volts) {
  hwsim_signal signal = dc(volts);
  CHECK_OK(hwsim_signal_set(device, channel, &signal, NULL, 0));
}

/* A read on a thread of its own. It is on the device when its thread begins to wait. */
typedef struct reader {
  operation base;
  hwsim_subscription *subscription;
  hwsim_event events[8];
  size_t capacity, count;
  hwsim_hooks hooks;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool waits;
} reader;

static inline void reader_waits(void *user, int64_t expected_ns) {
  reader *self = (reader *)user;
  (void)expected_ns;
  pthread_mutex_lock(&self->mutex);
  self->waits = true;
  pthread_cond_signal(&self->changed);
  pthread_mutex_unlock(&self->mutex);
}

static inline void reader_has_waited(void *user) { (void)user; }

static inline hwsim_error run_next(operation *base) {
  reader *self = (reader *)base;
  return hwsim_subscription_next(self->subscription, self->capacity, base->call, self->events,
                                 &self->count);
}

/* Returns when it waits. */
static inline void reader_start(reader *self, hwsim_subscription *subscription, size_t capacity,
                                const hwsim_call *call) {
  memset(self, 0, sizeof *self);
  self->base.run = run_next;
  self->base.call = call;
  self->base.hooks = &self->hooks;
  self->subscription = subscription;
  self->capacity = capacity;
  self->hooks.enter = reader_waits;
  self->hooks.leave = reader_has_waited;
  self->hooks.user = self;
  pthread_mutex_init(&self->mutex, NULL);
  pthread_cond_init(&self->changed, NULL);
  operation_launch(&self->base);
  pthread_mutex_lock(&self->mutex);
  while (!self->waits)
    pthread_cond_wait(&self->changed, &self->mutex);
  pthread_mutex_unlock(&self->mutex);
}

static inline hwsim_error reader_join(reader *self) { return operation_join(&self->base); }

#endif
