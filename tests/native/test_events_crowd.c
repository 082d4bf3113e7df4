/* Subscriptions with a handler that come and go on many threads at once. */
#include "witness.h"

#include <stdatomic.h>

enum { THREADS = 8, CYCLES = 1250 };

typedef struct crowd {
  hwsim_device *device;
  atomic_int made, released;
} crowd;

/* Allocated for one subscription and freed by its release(): a call after that is seen by the
 * sanitizers. */
typedef struct visitor {
  crowd *crowd;
  uint64_t next;
  bool frees;
} visitor;

static void visitor_handle(void *user, hwsim_subscription *subscription, const hwsim_event *events,
                           size_t count) {
  visitor *self = user;
  for (size_t i = 0; i < count; i++) {
    CHECK_EQUAL(events[i].sequence, self->next + events[i].lost);
    self->next = events[i].sequence + 1;
  }
  if (self->frees && self->next) {
    self->frees = false;
    hwsim_subscription_free(subscription);
  }
}

static void visitor_release(void *user) {
  visitor *self = user;
  atomic_fetch_add(&self->crowd->released, 1);
  free(self);
}

static void come_and_go(int index, void *shared) {
  crowd *self = shared;
  for (int i = 0; i < CYCLES; i++) {
    visitor *guest = calloc(1, sizeof *guest);
    *guest = (visitor){.crowd = self, .frees = (i + index) % 3 == 0};
    bool frees_itself = guest->frees;
    const hwsim_subscription_config config = {frees_itself ? KIND(TRIGGER)
                                                           : KIND(TIMER) | KIND(TRIGGER),
                                              1 + (uint32_t)i % 5,
                                              HWSIM_OVERFLOW_DROP,
                                              {visitor_handle, visitor_release, guest}};
    hwsim_subscription *subscription = subscribe_with(self->device, config);
    atomic_fetch_add(&self->made, 1);
    if (frees_itself || i % 2)
      trigger(self->device, i);
    if (!frees_itself)
      hwsim_subscription_free(subscription);
  }
}

static void eight_threads_subscribe_and_unsubscribe(void) {
  crowd self = {.device = open_device("hwsim://d?latency=0s&timer=20us")};
  in_parallel(THREADS, come_and_go, &self);
  witness *fence = witness_start(self.device, KIND(TRIGGER), NULL);
  trigger(self.device, 0);
  witness_await(fence, 1); /* those that free themselves were due before it */
  witness_finish(fence, self.device);
  CHECK_EQUAL(self.made, THREADS * CYCLES);
  CHECK_EQUAL(self.released, THREADS * CYCLES);
}

static void come_go_or_stop(int index, void *shared) {
  crowd *self = shared;
  if (index) {
    for (int i = 0; i < 300; i++) {
      visitor *guest = calloc(1, sizeof *guest);
      *guest = (visitor){.crowd = self};
      const hwsim_subscription_config config = {KIND(TIMER) | KIND(TRIGGER),
                                                4,
                                                HWSIM_OVERFLOW_DROP,
                                                {visitor_handle, visitor_release, guest}};
      hwsim_subscription *subscription = subscribe_with(self->device, config);
      trigger(self->device, i);
      hwsim_subscription_free(subscription);
    }
    atomic_fetch_add(&self->made, 1);
  } else {
    while (atomic_load(&self->made) < 4)
      stop_events();
  }
}

static void the_thread_may_be_stopped_amid_them(void) {
  crowd self = {.device = open_device("hwsim://d?latency=0s&timer=20us")};
  in_parallel(5, come_go_or_stop, &self);
  stop_events();
  CHECK_EQUAL(self.released, 4 * 300);
  hwsim_device_free(self.device);
}

/* A device for each thread, so that its lock does not order them. */
static void open_listen_close(int index, void *shared) {
  char uri[64];
  for (int i = 0; i < 60; i++) {
    snprintf(uri, sizeof uri, "hwsim://own%d?latency=0s&timer=10us", index);
    hwsim_device *device = open_device(uri);
    visitor *guest = calloc(1, sizeof *guest);
    *guest = (visitor){.crowd = shared};
    const hwsim_subscription_config config = {
        i % 3 ? ALL_KINDS : KIND(TRIGGER), /* ticks could outrun a queue that waits */
        8,
        i % 3 ? HWSIM_OVERFLOW_DROP : HWSIM_OVERFLOW_WAIT,
        {visitor_handle, visitor_release, guest}};
    hwsim_subscription *subscription = subscribe_with(device, config);
    for (int j = 0; j < 10; j++)
      CHECK_OK(hwsim_event_trigger(device, j, &forever));
    if (i % 2) {
      hwsim_device_close(device);
      hwsim_subscription_free(subscription);
    } else {
      hwsim_subscription_free(subscription);
      hwsim_device_close(device); /* a handler that is not done yet still owns it */
    }
    hwsim_device_free(device);
  }
}

static void many_devices_come_and_go(void) {
  crowd self = {0};
  in_parallel(THREADS, open_listen_close, &self);
  stop_events();
  CHECK_EQUAL(self.released, THREADS * 60);
}

static const test tests[] = {
    TEST(eight_threads_subscribe_and_unsubscribe),
    TEST(the_thread_may_be_stopped_amid_them),
    TEST(many_devices_come_and_go),
};
CHECK_MAIN(tests)
